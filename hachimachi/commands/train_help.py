"""The help of `hxmx train`, written from the folder conf/."""

from __future__ import annotations

import click

from hachimachi.training.conf import describe, find_conf, list_defaults, list_keys, list_options

USAGE = """\
Usage: hxmx train [DATA [MODEL.pt]] [group=option | key=value]… [-m] [--cfg job]

  Learn a model from a data set. Files come first, then overrides of the config.

  hxmx train data.json model.pt               learn from data.json into model.pt
  hxmx train model=lstm trainer.max_epochs=50 another backbone, 50 epochs
  hxmx train data.json best.pt -m model=gru,lstm seed=0,1,2       try all six
  hxmx train data.json ckpt_path=last.ckpt    go on from a checkpoint
  hxmx train new.pt --from model.pt seed=2    begin again with its config
"""
OPTIONS = """
Options:
  -m, --multirun          a sweep: run every combination of key=a,b
  -c, --cfg job           print the config and run nothing (-p model: a part of
                          it; --resolve: references filled in)
  --from MODEL            take the config that a model was trained by
  --config-dir DIR        add a folder of your own configs (--config-name NAME)
  --info, --hydra-help    what Hydra says of itself
"""
OFTEN = (
    *("trainer.max_epochs", "trainer.max_minutes", "model.size", "optimizer.lr", "dataset.split", "dataset.refit"),
    "seed",
)


class TrainCommand(click.Command):
    """A command whose help is written from the folder conf/."""

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """Write usage, examples, groups with their options, keys used often, and flags."""
        formatter.write(USAGE + _list_groups() + _list_often() + OPTIONS)


def _list_groups() -> str:
    lines = ["\nGroups and their options (* is the default):\n"]
    options = list_options(find_conf())
    several = (group for group in list_defaults() if len(options.get(group.name, [])) > 1)
    for group in several:
        for place, name in enumerate(options[group.name]):
            mark = "*" if name == group.value else " "
            lines.append(f"  {'' if place else group.name:10} {name + mark:15} {describe(group.name, name)}\n")
    return "".join(lines)


def _list_often() -> str:
    keys = {key.name: key for key in list_keys()}
    lines = [f"  {name + '=' + keys[name].value:28} {keys[name].comment}\n" for name in OFTEN]
    feature = f"  {'feature.<name>.resolution=':28} also kind, min, max, masked; else from the data\n"
    return "\nKeys used often, with their defaults (all of them: --cfg job):\n" + "".join(lines) + feature
