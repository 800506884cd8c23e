"""The panel at every size, with whatever comes; and what can be read from it."""

from __future__ import annotations

import io
import math
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console, Group

from hachimachi.live.screen.panel import PanelHistory, draw_lines
from hachimachi.live.screen.snapshot import ASCII, BLOCKS, CUT, MODEL, YOU, ModelState, ScreenEvent, Snapshot
from tests.live.screen.snapshots import snapshots

SIZES = [(80, 24), (60, 20), (120, 40), (30, 10), (3, 2)]


def screen(history: PanelHistory, now: float, width: int = 80, height: int = 24, encoding: str = "utf-8") -> str:
    """Print the panel as on a terminal without colour."""
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True, newline="")
    console = Console(file=file, width=width, height=height, color_system=None, legacy_windows=False)
    signs = ASCII if console.options.ascii_only else BLOCKS
    console.print(Group(*draw_lines(history, now, width, height, signs)))
    file.seek(0)
    return file.read()


def told(*events: ScreenEvent, at: float = 10.0, **state: object) -> PanelHistory:
    history = PanelHistory()
    features = state.pop("features", ("pitch", "velocity", "duration"))
    model = ModelState("piano.pt", features, **state)  # type: ignore[arg-type]
    history.add(Snapshot(at, ("127.0.0.1:8000",), ("127.0.0.1:9000",), (model,), events=events), at)
    return history


@pytest.mark.parametrize("size", SIZES, ids=str)
@settings(deadline=None, max_examples=25)
@given(made=st.lists(snapshots(), min_size=1, max_size=3), encoding=st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_it_fits_and_tells_the_terminal_nothing(size: tuple[int, int], made: list[Snapshot], encoding: str) -> None:
    history = PanelHistory()
    for number, snapshot in enumerate(made):
        history.add(snapshot, 10.0 + number / 8)
    lines = screen(history, 11.0, *size, encoding).splitlines(keepends=True)
    assert len(lines) <= size[1]
    for line in lines:
        assert line.endswith("\n")
        assert cell_len(line[:-1]) <= size[0]
        assert not any(unicodedata.category(sign).startswith("C") for sign in line[:-1])


@settings(deadline=None, max_examples=25)
@given(made=snapshots(), later=snapshots())
def test_nothing_jumps(made: Snapshot, later: Snapshot) -> None:
    """As many lines whatever is told, for as many models."""
    history = PanelHistory()
    history.add(made, 1.0)
    before = screen(history, 1.0).count("\n")
    history.add(later, 2.0)
    assert screen(history, 2.0).count("\n") == before


def test_nothing_is_drawn_before_anything_is_told() -> None:
    assert screen(PanelHistory(), 0.0).strip() == ""


def test_what_it_shows() -> None:
    history = told(heard=1234, played=56, skipped=7, refused=8, late=(0.031, 0.21, 1.2), steering=("temperature 0.8",))
    text = screen(history, 10.0)
    for part in (
        *("hears 127.0.0.1:8000 · plays to 127.0.0.1:9000", "piano.pt", "follow · playing", "temperature 0.8"),
        *("1,234 heard", "56 played", "7 skipped", "8 refused", "0.03 ms late p50", "0.21 ms late p99", "1.20 ms late"),
    ):
        assert part in text


def test_markup_in_a_name_is_a_name() -> None:
    assert "[red]x[/red]" in screen(told(mode="[red]x[/red]"), 10.0)


@pytest.mark.parametrize(("encoding", "you", "model"), [("utf-8", "▔▁", "▀▄"), ("ascii", "-", "#")])
def test_who_plays_is_seen_without_colour(encoding: str, you: str, model: str) -> None:
    yours, theirs = ScreenEvent(9.0, YOU, (60.0, math.nan)), ScreenEvent(9.5, MODEL, (64.0, 0.25))
    empty = screen(told(), 10.0, encoding=encoding)
    text = screen(told(yours, theirs), 10.0, encoding=encoding)
    assert sum(text.count(sign) - empty.count(sign) for sign in you) == 1
    assert sum(text.count(sign) - empty.count(sign) for sign in model) == 2  # a quarter of a second


def test_a_chord_of_both_in_one_cell_keeps_both_colours() -> None:
    console = Console(file=io.StringIO(), width=80, height=24, force_terminal=True, color_system="standard")
    both = told(ScreenEvent(9.0, YOU, (60.0, 0.0)), ScreenEvent(9.0, MODEL, (61.0, 0.0)))
    console.print(Group(*draw_lines(both, 10.0, 80, 24)))
    assert "\x1b[35;46m" in console.file.getvalue()  # type: ignore[attr-defined]  # magenta on cyan


def test_a_note_grows_until_it_is_cut() -> None:
    note = ScreenEvent(9.0, MODEL, (60.0, 30.0))
    history = told(note, at=9.0)
    lengths = [screen(history, now).count("▀") + screen(history, now).count("▄") for now in (10.0, 11.0)]
    assert lengths[1] == lengths[0] + 8
    model = ModelState("piano.pt", ("pitch", "velocity", "duration"))
    history.add(Snapshot(11.0, models=(model,), events=(ScreenEvent(11.0, CUT, (60.0,)),)), 11.0)
    assert screen(history, 13.0).count("▀") + screen(history, 13.0).count("▄") == lengths[1]


def test_traces_and_what_there_is_no_room_for() -> None:
    features = tuple(f"knob{number}" for number in range(12))
    events = [
        ScreenEvent(8 + step / 8, MODEL, tuple(float(step * (number + 1)) for number in range(8))) for step in range(16)
    ]
    text = screen(told(*events, features=features), 10.0)
    assert "▁▁▂▂▃▃▄▄▅▅▆▆▇▇██" in text
    assert " 15\n" in text
    assert "120\n" in text
    assert "and 4 more" in text
    assert "knob7" in text and "knob8" not in text


def test_several_models_stand_below_each_other() -> None:
    states = tuple(ModelState(f"{name}.pt", ("pitch",), heard=3) for name in "abc")
    history = PanelHistory()
    history.add(Snapshot(0.0, models=states), 0.0)
    rows = [line[:6] for line in screen(history, 0.0).splitlines() if line[:1].isdigit()]
    assert rows == ["1 a.pt", "2 b.pt", "3 c.pt"]
    history.add(Snapshot(0.0, models=states * 20), 0.0)
    assert "and 44 more" in screen(history, 0.0)


def test_rates_are_of_the_last_two_seconds() -> None:
    history = PanelHistory()
    for step in range(33):
        history.add(Snapshot(step / 8, models=(ModelState("a", ("pitch",), heard=step * 10),)), step / 8)
    assert history.models[0].rates(4.0) == (80.0, 0.0)
    assert history.models[0].rates(7.0) == (0.0, 0.0)


def test_a_model_exchanged_for_one_with_other_features_starts_afresh() -> None:
    history = told(ScreenEvent(9.9, MODEL, (60.0, 0.1)))
    history.add(Snapshot(10.0, models=(ModelState("hands.pt", ("x", "y")),)), 10.0)
    assert history.models[0].names == ["x", "y"]


def test_it_comes_to_rest() -> None:
    history = told(ScreenEvent(10.0, MODEL, (60.0, 2.0)))
    assert history.moves(15.0, 80)
    assert not history.moves(25.0, 80)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_releases_are_counted_where_there_were_any(width: int) -> None:
    without, some = (screen(told(released=number), 10.0, width) for number in (0, 12))
    assert "released" not in without
    assert "12 released" in some
    assert without.count("\n") == some.count("\n")
