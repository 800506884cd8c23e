"""Which of the sixteen channels of MIDI sounds which instrument."""

from __future__ import annotations

from collections.abc import Collection

from hachimachi.io.midi_options import DRUM_CHANNEL, DRUMS

CHANNELS = 16
MELODIC = tuple(channel for channel in range(CHANNELS) if channel != DRUM_CHANNEL)


def first_channel(values: Collection[float]) -> int:
    """Return the number of the first channel in a feature ``channel`` that had these values in training: 0 as in files,
    1 as people count if there is a sixteenth."""
    return int(CHANNELS in values)


class Channels:
    """Gives each instrument a channel when it first plays; of more than fifteen, the one unused for longest gives way.

    >>> channels = Channels()
    >>> channels.find(48), channels.find(0), channels.find(48), channels.find(DRUMS)
    ((0, True), (1, True), (0, False), (9, False))
    """

    def __init__(self) -> None:
        self._programs: dict[int, int] = {}  # by channel, the least recently used first
        self._kept: set[int] = set()

    def keep(self, channel: int) -> None:
        """Leave a channel to somebody else, the player whose own messages pass through."""
        if channel not in self._kept:
            self._kept.add(channel)
            self._programs.pop(channel, None)

    def set(self, channel: int, program: int) -> bool:
        """Let a channel sound a program; return whether that is new."""
        former = self._programs.pop(channel, None)
        self._programs[channel] = program  # the last of the dictionary is the most recently used
        return former != program

    def find(self, program: int, busy: Collection[int] = ()) -> tuple[int, bool]:
        """Return the channel of an instrument, and whether it has to be told its program first.

        Args:
            program: 0 to 127, or `DRUMS`.
            busy: Channels on which notes sound: of those that could give way, they come last.
        """
        if program == DRUMS:
            return DRUM_CHANNEL, False
        found = next((channel for channel, sounds in self._programs.items() if sounds == program), None)
        channel = self._free(busy) if found is None else found
        return channel, self.set(channel, program)

    def _free(self, busy: Collection[int]) -> int:
        ours = [channel for channel in MELODIC if channel not in self._kept] or list(MELODIC)
        unused = [channel for channel in ours if channel not in self._programs]
        if unused:
            return unused[0]
        used = [channel for channel in self._programs if channel in ours]
        return next((channel for channel in used if channel not in busy), used[0])
