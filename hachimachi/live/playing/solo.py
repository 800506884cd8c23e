"""Whether a model goes on by itself at this moment, and when it will."""

from __future__ import annotations

from hachimachi.live.playing.modes import Mode

RETRY_SECONDS = 1.0
"""After this time a model that plays alone tries again when it could not foretell anything."""


class Solo:
    """The part of a performer that decides who has the floor.

    Args:
        mode: How model and player share the stage.
        silence: Seconds without an input after which it is the model's turn, in modes that wait for that.
    """

    def __init__(self, mode: Mode, silence: float) -> None:
        self.mode = mode
        self.silence = silence
        self.paused = False
        self.alone = False
        """Whether it goes on by itself at this moment."""
        self.next: float | None = None
        """When it begins to, if that is decided."""
        self._started = False

    def start(self) -> None:
        """End a pause, and go on alone where the mode does."""
        self.paused, self._started, self.next = False, True, None
        self.alone = self.mode.alone

    def stop(self) -> None:
        """Go on no more, until `start` or, in some modes, an input."""
        self._started = self.alone = False
        self.next = None

    def begin_anew(self) -> bool:
        """After a reset or in another mode: return whether it goes on alone from here."""
        self.next = None
        self.alone = self._started and self.mode.alone and not self.mode.after_silence
        return self.alone

    def hear(self, came: float) -> None:
        """An input came: it is redirected by it, or gives the floor and waits for silence."""
        if self.mode.answers:
            self.alone = self.mode.alone
        elif self.mode.after_silence:
            self.alone, self.next = False, came + self.silence

    def fail(self, at: float) -> None:
        """Nothing could be foretold: try again in a while, if it plays alone."""
        if self.alone:
            self.next = at + RETRY_SECONDS

    def succeed(self) -> None:
        """Something was foretold: there is no need to try again."""
        if self.alone:
            self.next = None

    def take_turn(self, now: float) -> bool:
        """Return whether it begins to go on alone now."""
        if self.next is None or now < self.next:
            return False
        self.next, self.alone = None, True
        return True
