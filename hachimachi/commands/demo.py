"""`hxmx demo`: format, train and generate once, on a piece that comes with it."""

from __future__ import annotations

import importlib
import itertools
import shlex
from pathlib import Path

import click

from hachimachi.errors import HachimachiError

SECONDS = 60  # how much is generated
TEMPERATURE = 0.8  # a little below 1: more of what the model is sure of
SHOWN = 30  # how many seconds of that, and of the training data, are in the picture


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="outputs/demo")
def command(folder: Path) -> None:
    """Walk the whole road once, on a piece of its own: format, train, generate.

    It writes Bach's prelude in C major as MIDI, learns from it and improvises, all in FOLDER (outputs/demo unless
    given), in under three minutes. What an earlier demo left there is replaced.
    """
    from hachimachi.io import read, write
    from hachimachi.prelude import play_prelude

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HachimachiError(f"{folder}: cannot be made: {error.strerror}; name another folder") from error
    source, data, model, output = (folder / name for name in ("prelude.mid", "prelude.json", "model.pt", "output.csv"))
    music = play_prelude()
    write(source, music)
    click.echo("J. S. Bach's prelude in C major, four times over and never quite the same")
    click.echo(f"{source}: {len(music):,} notes in {music.seconds / 60:.1f} minutes")
    from hachimachi import plot  # these take a second: there is something to read by now
    from hachimachi.checkpoint import load_model
    from hachimachi.training.config.overrides import quote

    click.echo("\n1. Format: MIDI becomes a sequence of events")
    _hxmx("format", source, data)
    click.echo("\n2. Train: a small network learns to predict the next event")
    runs = (folder / "train" / str(number) for number in itertools.count(1))
    run = str(next(run for run in runs if not run.exists()))  # a new one each time: TensorBoard shows them as runs
    plain = all(letter.isalnum() or letter in "/._-" for letter in run)
    _hxmx("train", data, model, f"hydra.run.dir={run if plain else quote(run)}")
    click.echo("\n3. Generate: the model plays on its own, into a table, as MIDI, as sound")
    for suffix in (".csv", ".mid", ".wav"):
        _hxmx("gen", model, output.with_suffix(suffix), "--seconds", SECONDS, "--temperature", TEMPERATURE)
    [real], [generated] = read(data), read(output)
    plot.compare(real, generated, folder / "picture.png", seconds=SHOWN)

    score = load_model(model).summary["held_out"]
    gain = score["marginal"] - score["nats_per_event"]
    click.echo(f"""
On the {score["events"]} notes it had not heard, the model is {abs(gain):.2f} nats per event
{"below" if gain > 0 else "above"} the marginal baseline, which knows how often each value comes but not
when: {score["nats_per_event"]:.2f} instead of {score["marginal"]:.2f}. The lower, the better it predicts.
""")
    hints = (
        ("Look", folder / "picture.png"),
        ("Listen", folder / "output.wav"),
        ("Curves", _as_typed(["hxmx", "board", str(folder / "train")])),
        ("Play live", _as_typed(["hxmx", "run", str(model), "--web", "--open", "--mode", "duet"])),
        ("Your own", "$ hxmx format yours.mid data.json"),
        ("", "$ hxmx train data.json model.pt"),
    )
    for name, hint in hints:
        click.echo(f"{click.style(f'{name:10}', bold=True)} {hint}")


def _hxmx(name: str, *words: object) -> None:
    """Print a command as one would type it, and run it."""
    texts = [str(word) for word in words]
    click.secho(_as_typed(["hxmx", name, *texts]), bold=True)
    command = importlib.import_module(f"hachimachi.commands.{name}").command
    status = command.main(texts, prog_name=f"hxmx {name}", standalone_mode=False)
    if status:
        raise click.exceptions.Exit(status)


def _as_typed(words: list[str]) -> str:
    """Return a command line, broken where a shell allows it.

    >>> print(_as_typed(["hxmx", "format", "a piece.mid", "data.json"]))
    $ hxmx format 'a piece.mid' data.json
    """
    lines = ["$"]
    for word in map(shlex.quote, words):
        if len(lines[-1]) + 1 + len(word) <= 78:
            lines[-1] += f" {word}"
        else:
            lines.append(f"      {word}")
    return " \\\n".join(lines)
