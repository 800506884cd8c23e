"""Sizes: names, numbers, and what the amount of data asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hachimachi import plugins
from hachimachi.models.backbones import AUTO, ENOUGH, NAMES, SIZES, accepts_size, choose_size, explain_size

BACKBONES = st.sampled_from([*SIZES, "one of their own"])


def test_every_backbone_has_its_sizes() -> None:
    assert set(SIZES) == set(plugins.names("backbone"))
    for sizes in SIZES.values():
        assert tuple(sizes) == NAMES
        assert list(sizes.values()) == sorted(sizes.values())


@given(BACKBONES, st.integers(0, 10**7), st.integers(0, 10**7))
def test_more_data_never_gets_a_smaller_model(backbone: str, events: int, more: int) -> None:
    assert choose_size(backbone, AUTO, None, events) <= choose_size(backbone, AUTO, None, events + more)


@given(BACKBONES, st.sampled_from([AUTO, *NAMES]) | st.integers(1, 999), st.integers(1, 9), st.integers(0, 10**7))
def test_what_is_given_is_taken(backbone: str, size: str | int, layers: int, events: int) -> None:
    width, depth = choose_size(backbone, size, layers, events)
    assert depth == layers
    assert width == (choose_size(backbone, size, None, events)[0] if isinstance(size, str) else size)


@pytest.mark.parametrize(
    ("size", "events", "expected"),
    [
        (AUTO, 2196, (128, 1)),
        (AUTO, ENOUGH["m"] - 1, (128, 1)),
        (AUTO, ENOUGH["m"], (192, 1)),
        (AUTO, ENOUGH["l"], (384, 1)),
        ("xs", 10**7, (64, 1)),
        ("l", 0, (384, 1)),
        (96, 10**7, (96, 1)),
    ],
)
def test_of_a_gru(size: str | int, events: int, expected: tuple[int, int]) -> None:
    assert choose_size("gru", size, None, events) == expected


def test_the_reason() -> None:
    assert explain_size(AUTO, 2196) == " (auto: s, for 2,196 events)"
    assert explain_size("xs", 2196) == " (size xs)"
    assert explain_size(96, 2196) == ""


@pytest.mark.parametrize("value", [0, -1, True, 1.5, None, "", "xl", "12", "S"])
def test_what_is_no_size(value: object) -> None:
    assert not accepts_size(value)
