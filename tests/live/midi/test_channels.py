"""Instruments share the channels; whose notes pass through keeps his own."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hachimachi.live.midi.mapping import DRUM_CHANNEL, DRUMS, MELODIC, Channels


@given(st.lists(st.integers(0, DRUMS)), st.sets(st.integers(0, 15)), st.sets(st.integers(0, 15)))
def test_every_instrument_sounds_its_own_program(programs: list[int], kept: set[int], busy: set[int]) -> None:
    channels, sounds = Channels(), dict[int, int]()
    for channel in kept:
        channels.keep(channel)
    for program in programs:
        channel, new = channels.find(program, busy)
        if program == DRUMS:
            assert (channel, new) == (DRUM_CHANNEL, False)
            continue
        if new:
            sounds[channel] = program
        assert channel != DRUM_CHANNEL
        assert sounds[channel] == program
        assert channel not in kept or kept >= set(MELODIC)


def test_a_player_who_comes_later_gets_the_channel_for_himself() -> None:
    channels = Channels()
    assert channels.find(5) == (0, True)
    channels.keep(0)
    assert channels.find(5) == (1, True)
