"""The command `hxmx`: name → module, with one line of help each. Only the command that is called is imported."""

from __future__ import annotations

import codecs
import importlib
import io
import sys
from importlib.util import find_spec

import click

from hachimachi.errors import NOTICES, HachimachiError

COMMANDS = {
    "format": "Turn MIDI, CSV or JSON into a data set of events",
    "augment": "Vary the events of a data set by short expressions",
    "train": "Learn a model from a data set",
    "gen": "Generate events from a model into a file",
    "run": "Play a model live over OSC",
    "page": "Serve the page of a performance that plays already",
    "rec": "Record OSC into a data set",
    "eval": "Measure how well a model predicts events it has not heard",
    "board": "Look at and listen to training runs in TensorBoard",
    "info": "Show what is in a model or a data set",
    "upgrade": "Write a model of an earlier version as one of today",
    "devices": "List what this machine can compute on, and its MIDI ports",
    "demo": "Walk the whole road once, on a piece of its own",
}

LEARNING = {
    "torch": "torch",
    "lightning": "lightning",
    "hydra": "hydra-core",
    "omegaconf": "hydra-core",
    "tensorboard": "tensorboard",
    "matplotlib": "matplotlib",
}
"""Packages that playing does without, and what to install for them."""
LEARNS = {"train", "demo"}  # commands that need them all


class LazyGroup(click.Group):
    """A group that imports a command's module when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the names in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name in COMMANDS:
            return importlib.import_module(f"hachimachi.commands.{cmd_name}").command
        if ctx.resilient_parsing:  # shell completion
            return None
        from difflib import get_close_matches

        near = get_close_matches(cmd_name, COMMANDS, 1)
        raise click.UsageError(f"no command {cmd_name!r}" + (f"; did you mean {near[0]}?" if near else ""), ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """List the commands from the table above, importing none."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="hachimachi", prog_name="hxmx")
def cli() -> None:
    """An instrument that learns from your own events and improvises with you.

    \b
    hxmx format file.mid data.json     MIDI into a sequence of events
    hxmx train data.json model.pt      learn from it
    hxmx gen model.pt output.csv       generate offline
    hxmx run model.pt                  play live over OSC

    Add --debug to any command for a traceback when it fails.
    """


ASCII = {"→": "->", "…": "...", "±": "+-", **dict(zip("▁▂▃▄▅▆▇█–−×·", "_.-:=+*#--x*", strict=True))}
"""What stands for a character on a screen that does not have it; ``?`` for others, and for bytes that are no text."""


def _stand_in(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    missing = error.object[error.start : error.end]
    return "".join(ASCII.get(letter, "?") for letter in missing), error.end


def main(words: list[str] | None = None) -> None:
    """Run `hxmx`. Exit status: 0, 1 for bad data, 2 for a wrong call, 130 after Ctrl-C."""
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    codecs.register_error("stand-in", _stand_in)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="stand-in")
    NOTICES.append(lambda text: click.echo(f"hxmx: {text}", err=True))
    try:
        status = cli([word for word in words if word != "--debug"], prog_name="hxmx", standalone_mode=False)
    except click.ClickException as error:
        message = error.format_message().strip().removesuffix(".")
        # click's own four lines become one; a message that has lines, such as a whole usage text, keeps them
        if not message.startswith("Usage:"):
            message = f"hxmx: {message}"
            if isinstance(error, click.UsageError) and error.ctx and "\n" not in message:
                message += f"{'' if message.endswith('?') else ';'} see {error.ctx.command_path} --help"
        click.echo(message, err=True)
        sys.exit(error.exit_code)
    except HachimachiError as error:
        if debug:
            raise
        click.echo(f"hxmx: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if debug or package not in LEARNING:
            raise
        command = next((word for word in words if word in COMMANDS), "this")
        packages = LEARNING if command in LEARNS else [package]
        missing = dict.fromkeys(LEARNING[name] for name in packages if name == package or find_spec(name) is None)
        advice = f"pip install {' '.join(missing)}"
        click.echo(f"hxmx: {command} needs {package}, which is not installed here; {advice}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        sys.exit(130)
    finally:
        NOTICES.pop()
    sys.exit(status if isinstance(status, int) else 0)


if __name__ == "__main__":
    main()
