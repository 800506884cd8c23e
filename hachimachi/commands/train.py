"""`hxmx train`: files first, then Hydra overrides."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from hachimachi.errors import HachimachiError
from hachimachi.training.config.groups import describe, find_conf, list_defaults, list_keys, list_options

if TYPE_CHECKING:
    from omegaconf import DictConfig

USAGE = """\
Usage: hxmx train [DATA [MODEL.pt]] [group=option | key=value]… [-m] [--cfg job]

  Learn a model from a data set. Files come first, then overrides of the config.

  hxmx train data.json model.pt               learn from data.json into model.pt
  hxmx train model=lstm trainer.max_epochs=50 another backbone, 50 epochs
  hxmx train data.json best.pt -m model=gru,lstm seed=0,1,2       try all six
  hxmx train data.json ckpt_path=last         go on with the last run
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
OFTEN = ("init", "trainer.max_epochs", "trainer.max_minutes", "model.size", "optimizer.lr", "dataset.split", "seed")


class TrainCommand(click.Command):
    """A command whose help is written from the folder conf/."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse words; a key of the config that is written as an option is told how it is written."""
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            key = f".{error.option_name.lstrip('-').replace('-', '_')}"
            if near := next((each.name for each in list_keys() if f".{each.name}".endswith(key)), None):
                raise WrongCall(f"No such option '{error.option_name}'; did you mean {near}=…?") from error
            raise

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """Write usage, examples, groups with their options, keys used often, and flags."""
        lines = ["\nGroups and their options (* is the default):"]
        options = list_options(find_conf())
        for group in (group for group in list_defaults() if len(options.get(group.name, [])) > 1):
            for i, name in enumerate(options[group.name]):
                star = "*" if name == group.value else " "
                lines.append(f"  {'' if i else group.name:10} {name + star:15} {describe(group.name, name)}")
        lines.append("\nKeys used often, with their defaults (all of them: --cfg job):")
        keys = {key.name: key for key in list_keys()}
        lines += [f"  {name + '=' + keys[name].value:28} {keys[name].comment}" for name in OFTEN]
        lines.append(f"  {'feature.<name>.resolution=':28} also kind, min, max, masked; else from the data\n")
        formatter.write(USAGE + "\n".join(lines) + OPTIONS)


INFO = ("all", "config", "defaults", "defaults-tree", "plugins", "searchpath")


class WrongCall(click.ClickException):
    """A wrong call in one line, where click.UsageError would add three."""

    exit_code = 2


def complete_word(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001  (click's)
    """Complete a file, `group=option` or `key=` from conf/."""
    words = [*(ctx.params.get("words") or ())]
    if words and words[-1] == "=":  # bash makes three words of model=gru
        words.pop()
    options = list_options(find_conf())
    if words and words[-1] in options and not Path(words[-1]).exists():
        return [CompletionItem(name) for name in options[words[-1]] if name.startswith(incomplete)]
    known = [f"{group}={name}" for group, names in options.items() for name in names]
    known += [f"{key.name}=" for key in list_keys()]
    found = [CompletionItem(word) for word in known if word.startswith(incomplete)]
    if len(words) < 2 and not any("=" in word for word in words):
        literal = re.sub(r"([*?[])", r"[\1]", incomplete)
        files = [CompletionItem(path.name) for path in Path().glob(f"{literal}*")] if incomplete else []
        return [*files, *found] if incomplete and found else [CompletionItem(incomplete, type="file")]
    return found


@click.command(cls=TrainCommand, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("-m", "--multirun", is_flag=True)
@click.option("-c", "--cfg", type=click.Choice(["job", "hydra", "all"]))
@click.option("-p", "--package")
@click.option("--resolve", is_flag=True)
@click.option("--from", "source", type=click.Path(path_type=Path))
@click.option("--config-dir", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--config-name")
@click.option("--info", type=click.Choice(INFO), is_flag=False, flag_value="all")
@click.option("--hydra-help", is_flag=True)
@click.argument("words", nargs=-1, type=click.UNPROCESSED, shell_complete=complete_word)
def command(
    words: tuple[str, ...],
    multirun: bool,
    source: Path | None,
    config_dir: Path | None,
    config_name: str | None,
    **shown: Any,
) -> int:
    """Learn a model from a data set."""
    if sum(map(bool, (multirun, shown["cfg"], shown["info"], shown["hydra_help"]))) > 1:
        raise WrongCall("expected only one of --multirun, --cfg, --info and --hydra-help")
    if (shown["package"] or shown["resolve"]) and not shown["cfg"]:
        raise WrongCall("--package and --resolve say how --cfg prints; expected --cfg job with them")
    from hachimachi.io.atomic import is_ours
    from hachimachi.training.config.compose import check_words, start_from
    from hachimachi.training.config.overrides import as_overrides, quote
    from hachimachi.training.config.schema import ConfigError
    from hachimachi.training.runs import find_checkpoint

    sweep = multirun or "hydra.mode=MULTIRUN" in words
    lines: list[str] = []
    try:
        if sweep or any(word.startswith(("sweep=", "hydra/")) for word in words):
            from hachimachi.training.sweep.job import check_sweep  # Lightning takes seconds to import

            check_sweep(words, sweep)
        given = as_overrides(words) if source is None else []
        if source is not None:
            given, lines = start_from(source, as_overrides(words, named=("output",)), config_dir)
        overrides, cfg = check_words(given, sweep, config_name or "train", config_dir)
    except ConfigError as error:
        if lines:
            click.echo("\n".join(lines), err=True)
        raise WrongCall(str(error)) from error
    if not any(shown.values()):
        with _os_errors():
            _check_files(cfg)
            resumed = find_checkpoint(cfg.ckpt_path)[1] if cfg.ckpt_path else None
        if resumed and not sweep and not any(word.startswith("hydra.run.dir=") for word in words):
            overrides.append(f"hydra.run.dir={quote(str(resumed))}")  # its curves go on
        from hachimachi.training.distributed import is_first

        if is_ours(cfg.output):
            lines.append(f"{cfg.output}: there is an earlier model; it is replaced as soon as there is a new one")
        if lines and is_first():
            click.echo("\n".join(lines))
    home = _flags({"config-dir": config_dir, "config-name": config_name})
    argv = [*home, *_flags({"multirun": multirun, **shown}), *overrides]
    named = any(word.startswith("output=") for word in overrides)
    return _run(argv, [*home, *_flags({"from": source})], Path(cfg.output) if named else None)


def _check_files(cfg: DictConfig) -> None:
    """Check the files a run needs before the slow imports begin."""
    from hachimachi.io.formats import READERS

    if "${" in str(Path.cwd()):
        raise HachimachiError(
            f"{Path.cwd()}: Hydra takes ${{ in the name of the working folder for a reference; train in another"
        )
    data, output = Path(cfg.dataset.path), Path(cfg.output)
    if not os.path.exists(data):  # noqa: PTH110  (Path.exists raises for a name too long)
        raise HachimachiError(f"{data}: no such file or folder; expected a data set: hxmx train DATA MODEL.pt")
    if output.is_dir() or not output.parent.is_dir():
        raise HachimachiError(f"{output}: expected the name of a file in a folder that exists; make it first")
    if output.exists() and output.samefile(data):
        raise HachimachiError(f"{output}: the model would overwrite the data set; choose another name")
    if output.suffix.lower() in READERS:
        raise HachimachiError(
            f"{output}: ends as data do; expected MODEL.pt; hxmx format makes one data set of several"
        )
    if output.suffix.lower() != ".pt":
        raise HachimachiError(f"{output}: is no model's name; expected MODEL.pt")
    if cfg.dataset.split and not Path(cfg.dataset.split).is_file():
        raise HachimachiError(f"dataset.split={cfg.dataset.split}: no such file; expected names by part, in JSON")


def _run(argv: list[str], home: list[str], output: Path | None) -> int:
    import hydra
    from hydra.errors import HydraException

    from hachimachi.training.distributed import is_first
    from hachimachi.training.sweep.job import make_task
    from hachimachi.training.sweep.search import SweepFolder

    if not is_first() and not any(word.startswith("hydra.run.dir=") for word in argv):
        argv = [*argv, "hydra.run.dir=.", "hydra.output_subdir=null"]  # the first process makes the folders
    failures: list[HachimachiError] = []
    SweepFolder.last = None
    status = 0
    try:
        with _os_errors(), _under_hydra(argv):
            launch = hydra.main(version_base="1.3", config_path=str(find_conf()), config_name="train")
            launch(make_task(home, failures))()
    except KeyboardInterrupt as interrupt:
        status = 130
        if not interrupt.args and is_first():  # else it has been reported
            click.echo("Stopped by Ctrl-C", err=True)
    except HydraException as error:
        raise HachimachiError(" ".join(str(error).split())) from error
    if SweepFolder.last:
        from hachimachi.training.sweep.results import report

        report(SweepFolder.last, output, interrupted=status == 130)
    elif failures:
        raise failures[0]
    return status


@contextmanager
def _os_errors() -> Iterator[None]:
    """Report in one line what the system refused: a folder without permission, a disk that is full."""
    try:
        yield
    except OSError as error:
        raise HachimachiError(f"{error.filename or 'training'}: {error.strerror or error}") from error


@contextmanager
def _under_hydra(argv: list[str]) -> Iterator[None]:
    """Give Hydra its words, have it raise what goes wrong, and keep its advice off the screen."""
    words, full = sys.argv, os.environ.get("HYDRA_FULL_ERROR")
    sys.argv = [words[0], *argv]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="hydra|omegaconf|optuna|submitit")
            yield
    finally:
        sys.argv = words
        if full is None:
            del os.environ["HYDRA_FULL_ERROR"]
        else:
            os.environ["HYDRA_FULL_ERROR"] = full


def _flags(options: dict[str, Any]) -> list[str]:
    chosen = {name.replace("_", "-"): value for name, value in options.items() if value}
    return [f"--{name}" if value is True else f"--{name}={value}" for name, value in chosen.items()]
