"""`hxmx upgrade`: write a model file of an earlier version as one of today."""

from __future__ import annotations

from pathlib import Path

import click

from hachimachi.commands.options import check_apart, plugin_option
from hachimachi.errors import HachimachiError


@click.command("upgrade")
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@plugin_option
def command(old: Path, new: Path) -> None:
    """Write the model in OLD, a model file of any version or a checkpoint (.ckpt), as a model file of today, NEW.

    It plays the same, without PyTorch, and starts in a fraction of the time; this command needs PyTorch.

    \b
    hxmx upgrade model.pt renewed.pt
    hxmx upgrade outputs/train/…/checkpoints/last.ckpt model.pt
    """
    from hachimachi.io.atomic import check_file

    if new.suffix.lower() != ".pt":
        raise HachimachiError(f"{new}: suffix {new.suffix!r}; expected .pt, a model file")
    check_file(new)
    check_apart([new], [old])
    from hachimachi.checkpoint import VERSION, load_model, save_model
    from hachimachi.player.engine import has_numpy_form

    model = load_model(old)
    save_model(model, new)
    plays = "plays without PyTorch" if has_numpy_form(model.parts) else "plays by PyTorch, as its parts ask for"
    click.echo(f"{new}: version {VERSION}, {plays}")
