"""`hxmx demo`: the whole road once, on a piece of its own."""

from __future__ import annotations

import importlib
import itertools
import shlex
from pathlib import Path

import click

from hachimachi.errors import HachimachiError

SECONDS = 60
"""How much the demo generates."""
TAME = 0.8
"""Temperature: a little below 1 it plays more of what it is sure of."""
SHOWN = 30
"""How many seconds of it, and of what it learned from, are in the picture."""


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default="outputs/demo")
def command(folder: Path) -> None:
    """Walk the whole road once, on a piece of its own: format, train, generate.

    It writes Bach's prelude in C major as MIDI, learns from it and improvises, all in FOLDER (outputs/demo unless
    given), in under three minutes. What an earlier demo left there is replaced.
    """
    _make(folder)
    model, made = folder / "model.pt", folder / "output.csv"
    _write_music(folder / "prelude.mid")
    click.echo("\n1. Format: MIDI becomes a sequence of events")
    _hxmx("format", folder / "prelude.mid", folder / "prelude.json")
    click.echo("\n2. Train: a small network learns to foretell the next event")
    _hxmx("train", folder / "prelude.json", model, _run_folder(folder))
    click.echo("\n3. Generate: the model plays on its own, into a table, as MIDI, as sound")
    for suffix in (".csv", ".mid", ".wav"):
        _hxmx("gen", model, made.with_suffix(suffix), "--seconds", SECONDS, "--temperature", TAME)
    _draw(folder / "prelude.json", made, folder / "picture.png")
    _conclude(folder, model)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HachimachiError(f"{folder}: cannot be made: {error.strerror}; name another folder") from error


def _write_music(path: Path) -> None:
    from hachimachi.io import write
    from hachimachi.prelude import play_prelude

    music = play_prelude()
    write(path, music)
    click.echo("J. S. Bach's prelude in C major, four times over and never quite the same")
    click.echo(f"{path}: {len(music):,} notes in {music.seconds / 60:.1f} minutes")


def _run_folder(folder: Path) -> str:
    """Give each demo a run folder of its own, so that TensorBoard shows them as runs."""
    from hachimachi.training.config.overrides import quote

    runs = (folder / "train" / str(number) for number in itertools.count(1))
    free = str(next(run for run in runs if not run.exists()))
    bare = all(letter.isalnum() or letter in "/._-" for letter in free)
    return f"hydra.run.dir={free if bare else quote(free)}"


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


def _draw(source: Path, made: Path, picture: Path) -> None:
    from hachimachi import plot
    from hachimachi.io import read

    [real], [generated] = read(source), read(made)
    plot.compare(real, generated, picture, seconds=SHOWN)


def _conclude(folder: Path, model: Path) -> None:
    from hachimachi.checkpoint import load_model

    score = load_model(model).summary["held_out"]
    gain = score["marginal"] - score["nats_per_event"]
    click.echo(f"""
On the {score["events"]} notes it had not heard, the model is {abs(gain):.2f} nats per event
{"below" if gain > 0 else "above"} the marginal baseline, which knows how often each value comes but not
when: {score["nats_per_event"]:.2f} instead of {score["marginal"]:.2f}. The lower, the better it foretells.
""")
    _list(
        ("Look", folder / "picture.png"),
        ("Listen", folder / "output.wav"),
        ("Curves", _as_typed(["hxmx", "board", str(folder / "train")])),
        ("Play live", _as_typed(["hxmx", "run", str(model)])),
        ("Your own", "$ hxmx format yours.mid data.json"),
        ("", "$ hxmx train data.json model.pt"),
    )


def _list(*rows: tuple[str, object]) -> None:
    for name, told in rows:
        click.echo(f"{click.style(f'{name:10}', bold=True)} {told}")
