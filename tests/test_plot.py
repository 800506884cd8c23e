"""Pictures show the events they are given, on the scales they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from hachimachi import plot
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import read
from hachimachi.io.midi import NOTES
from hachimachi.prelude import play_prelude


def bars_of(ax: Axes) -> PolyCollection:
    (bars,) = (artist for artist in ax.collections if isinstance(artist, PolyCollection))
    return bars


def boxes_of(ax: Axes) -> np.ndarray:
    """Left, right, bottom and top of each note drawn, shape (N, 4)."""
    corners = np.array([np.asarray(path.vertices)[:4] for path in bars_of(ax).get_paths()])
    return np.column_stack(
        [corners[..., 0].min(1), corners[..., 0].max(1), corners[..., 1].min(1), corners[..., 1].max(1)]
    )


def labels_of(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def test_a_note_is_a_bar_where_and_as_long_as_it_sounds() -> None:
    music = play_prelude(times=1)[:40]
    assert music.time is not None
    ax = plot.piano_roll(music).axes[0]
    left, right, bottom, top = boxes_of(ax).T
    np.testing.assert_allclose(left, music.time)
    np.testing.assert_allclose(right - left, music.column("duration"))
    np.testing.assert_allclose((bottom + top) / 2, music.column("pitch"))
    assert np.array_equal(bars_of(ax).get_array(), music.column("velocity"))  # pyright: ignore[reportArgumentType]
    assert "C4" in labels_of(ax.yaxis)
    assert ax.get_yticks()[labels_of(ax.yaxis).index("C4")] == 60
    assert ax.get_xlabel() == "seconds"


def test_the_shortest_note_is_seen() -> None:
    music = make_sequence([[60, 0.0], [62, 1.0]], [0, 100], ["pitch", "duration"])
    left, right, *_ = boxes_of(plot.piano_roll(music).axes[0]).T
    assert right[0] - left[0] > 0.1


def test_instruments_have_colours_and_names() -> None:
    rows = [[60, 80, 1, 0], [64, 80, 1, 0], [36, 90, 0.1, 128], [50, 90, 0.1, 33]]
    figure = plot.piano_roll(EventSequence(NOTES, np.array(rows, float), np.arange(4.0)))
    colours = [to_hex(tuple(colour)) for colour in np.asarray(bars_of(figure.axes[0]).get_facecolor())]
    assert colours[0] == colours[1] == plot.HUES[0]  # the most frequent comes first
    assert len(set(colours)) == 3
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["Acoustic Grand Piano", "Electric Bass (finger)", "Drums"]


def test_many_instruments_share_the_last_colour() -> None:
    rows = [[60, 80, 1, program] for program in range(20)]
    figure = plot.piano_roll(EventSequence(NOTES, np.array(rows, float), np.arange(20.0)))
    assert len(figure.legends[0].get_texts()) == len(plot.HUES) + 1
    assert figure.legends[0].get_texts()[-1].get_text() == "others"


def test_pitch_alone_is_enough() -> None:
    left, right, *_ = boxes_of(plot.piano_roll(make_sequence([[60], [61]], [0, 1], ["pitch"])).axes[0]).T
    np.testing.assert_allclose(right - left, 0.1)


@pytest.mark.parametrize("sequence", [make_sequence([[60]], names=["pitch"]), make_sequence([[1]], [0], ["x"])])
def test_what_is_no_note_has_no_piano_roll(sequence: EventSequence) -> None:
    with pytest.raises(HachimachiError, match="needs time and a feature named pitch; draw traces"):
        plot.piano_roll(sequence)


def test_traces_give_each_feature_its_lane() -> None:
    features = (Feature("x"), Feature("still"), Feature("mode", "categorical"))
    data = np.column_stack([[3.0, -1, 7, 2], [5] * 4, [0, 1, 0, 1]])
    ax = plot.traces(EventSequence(features, data, np.array([10.0, 11, 12, 15]))).axes[0]
    assert labels_of(ax.yaxis) == ["x", "still", "mode"]
    for lane, line in enumerate(ax.lines):
        y = np.asarray(line.get_ydata())
        assert ((y > lane) & (y < lane + 1)).all()
        assert (
            np.corrcoef(y, data[:, lane])[0, 1] < -0.999 if lane != 1 else np.allclose(y, 1.5)
        )  # the axis points down
        assert np.array_equal(line.get_xdata(), [10, 11, 12, 15])
    assert {"-1", "7"} <= {text.get_text() for text in ax.texts}
    assert ax.lines[2].get_linestyle() == "None"


def test_events_without_time_are_counted() -> None:
    ax = plot.traces(make_sequence([[1.0], [2.0], [3.0]])).axes[0]
    assert np.array_equal(ax.lines[0].get_xdata(), [1, 2, 3])
    assert ax.get_xlabel() == "event"


def test_compared_pictures_share_their_scales(tmp_path: Path) -> None:
    music = play_prelude(times=1)
    figure = plot.compare(music[:100], music[300:340], tmp_path / "picture.png")
    above, below = figure.axes[:2]
    assert above.get_ylim() == below.get_ylim()
    assert np.ptp(above.get_xlim()) == pytest.approx(np.ptp(below.get_xlim()))
    assert bars_of(above).get_clim() == bars_of(below).get_clim()
    assert below.get_xlim()[0] < boxes_of(below)[0, 0] < below.get_xlim()[0] + 1
    assert above.get_title(loc="left") == "The data: prelude"
    assert below.get_title(loc="left") == "Generated"
    image = matplotlib.image.imread(tmp_path / "picture.png")
    assert image.shape[1] == 1600
    assert image[..., :3].std() > 0.05
    assert [path.name for path in tmp_path.iterdir()] == ["picture.png"]


def test_compares_the_beginnings() -> None:
    music = play_prelude(times=1)
    figure = plot.compare(music, music[200:], seconds=5)
    for ax, part in zip(figure.axes, (music, music[200:]), strict=False):
        assert part.time is not None
        assert len(boxes_of(ax)) == (part.time <= part.time[0] + 5).sum()


def test_compares_traces_of_real_control_data(shared_data: Path) -> None:
    real, other = (read(shared_data / "single" / f"control_{part}.json")[0] for part in ("train", "test"))
    figure = plot.compare(real, other, seconds=10)
    assert [len(ax.lines) for ax in figure.axes] == [3, 3]
    with pytest.raises(HachimachiError, match="other features"):
        plot.compare(real, play_prelude(times=1))


@pytest.mark.parametrize("draw", [plot.piano_roll, plot.traces])
def test_draws_where_it_is_told_and_whatever_little_there_is(draw: Any) -> None:
    figure = Figure()
    ax = figure.subplots()
    assert draw(play_prelude(times=1)[:1], ax) is figure
    draw(play_prelude(times=1)[:0]).canvas.draw()  # nothing at all


def test_saves_whole_or_not_at_all(tmp_path: Path) -> None:
    figure = plot.piano_roll(play_prelude(times=1)[:10])
    for name, start in (("a.png", b"\x89PNG"), ("b.pdf", b"%PDF"), ("c.SVG", b"<?xml")):
        plot.save(figure, tmp_path / name)
        assert (tmp_path / name).read_bytes().startswith(start)
    with pytest.raises(HachimachiError, match=r"not a picture's name; expected it to end in \.png"):
        plot.save(figure, tmp_path / "d.mid")
    with pytest.raises(HachimachiError, match="no folder"):
        plot.save(figure, tmp_path / "nowhere" / "a.png")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("dpi", [40, 60])
def test_pixels_are_those_of_the_picture(dpi: int) -> None:
    figure = plot.piano_roll(play_prelude(times=1)[:40])
    pixels = plot.to_pixels(figure, dpi)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*(round(inches * dpi) for inches in figure.get_size_inches()[::-1]), 3)
    assert pixels.std() > 5


def control(events: int = 60, columns: int = 3) -> EventSequence:
    features = (*(Feature(f"x{i}") for i in range(columns - 1)), Feature("mode", "categorical", masked=True))
    chance = np.random.default_rng(0)
    data = np.column_stack([chance.random((events, columns - 1)), chance.integers(0, 20, events)]).astype(np.float64)
    return EventSequence(features, data, np.cumsum(chance.exponential(0.1, events)), "hand.csv")


def titles_of(figure: Figure, where: str = "left") -> list[str]:
    return [ax.get_title(loc=where) for ax in figure.axes]  # pyright: ignore[reportArgumentType]


def test_an_overview_shows_notes_and_how_each_column_is_spread() -> None:
    music = play_prelude(times=1)
    figure = plot.overview(music)
    roll, bar, *spreads = figure.axes
    assert len(boxes_of(roll)) == min(400, (music.time <= 30).sum())  # pyright: ignore[reportOptionalOperand]
    assert bar.get_ylabel() == "velocity"
    assert [ax.get_title(loc="left") for ax in spreads] == ["time between events", "pitch", "velocity", "duration"]
    assert spreads[3].get_title(loc="right") == "masked"
    assert roll.get_title(loc="left").startswith("prelude: first ")
    assert f"{len(music):,} events" in roll.get_title(loc="right")
    counted = sum(bar.get_height() for bar in spreads[1].patches)  # pyright: ignore[reportAttributeAccessIssue]
    assert counted == len(music)


def test_an_overview_of_control_data_shows_traces() -> None:
    figure = plot.overview([control(), control(20)])
    assert labels_of(figure.axes[0].yaxis) == ["x0", "x1", "mode"]
    assert titles_of(figure) == ["hand.csv: first 60 events", "time between events", "x0", "x1", "mode"]
    assert titles_of(figure, "right")[-1] == "11 more"
    assert re.fullmatch(r"80 events in \d\.\d s, 2 sequences", titles_of(figure, "right")[0])
    assert "0.1 s" in labels_of(figure.axes[1].xaxis)


def test_a_page_has_room_for_many_columns() -> None:
    figure = plot.overview(control(columns=30))
    assert len(figure.axes[0].lines) == 12
    assert "12 of 30 features" in titles_of(figure)[0]
    assert len([title for title in titles_of(figure) if title]) == 1 + 31
    assert len(plot.distributions(control(columns=200)).axes) == 40


@pytest.mark.parametrize("events", [1, 2])
def test_an_overview_of_hardly_anything(events: int) -> None:
    plot.overview(control(events)).canvas.draw()
    plot.distributions(make_sequence([[1.0]] * events)).canvas.draw()
    plot.overview(make_sequence([[60.0]] * events, [0.0] * events, ["pitch"])).canvas.draw()


def test_an_overview_of_real_data_by_path(shared_data: Path) -> None:
    figure = plot.overview(shared_data / "single" / "multi_train.json")
    assert figure.axes[-1].get_title(loc="left") == "instrument"
    assert [text.get_text() for text in figure.axes[-1].texts][:2] == ["Electric Bass (pick)", "Drums"]
    assert plot.to_pixels(figure).std() > 5
