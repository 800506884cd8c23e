"""The ways in which a model and a player share the stage."""

from __future__ import annotations

from dataclasses import dataclass

from hachimachi.live.refusals import Refused, quote


@dataclass(frozen=True)
class Mode:
    """What a performer does when it hears and when it has played.

    Args:
        name: How it is asked for.
        answers: An input is answered by a prediction.
        alone: It hears what it plays, and goes on by itself.
        gives_way: An input cancels what waits.
        after_silence: It goes on alone once the player has been silent for a while, and listens until then.
    """

    name: str
    answers: bool = False
    alone: bool = False
    gives_way: bool = True
    after_silence: bool = False


MODES = {
    mode.name: mode
    for mode in (
        Mode("follow", answers=True),
        Mode("loop", alone=True, gives_way=False),
        Mode("respond", alone=True, after_silence=True),
        Mode("duet", answers=True, alone=True),
    )
}
"""By name. In all of them ``/output`` may be fed back to ``/input``."""


def find_mode(name: str, *, temporal: bool, one_pending: bool) -> Mode:
    """Return a mode by its name.

    Args:
        name: What was asked for.
        temporal: Whether the model has time.
        one_pending: Whether a newer prediction takes the place of one that waits.

    Raises:
        Refused: There is none, or it does not go with the model or with what is pending.
    """
    mode = MODES.get(name)
    if mode is None:
        raise Refused("value", f"mode {quote(name)} is unknown, expected one of {' '.join(MODES)}")
    if mode.alone and not temporal:
        why = "this model has no time and would never pause; feed /output back at your own pace"
        raise Refused("value", f"mode {name}: {why}")
    if mode.alone and not one_pending:
        raise Refused("value", f"mode {name} with --pending all: every input would add a voice for ever")
    return mode
