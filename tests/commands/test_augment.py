"""`hxmx augment` through the real command line, on real files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hachimachi.augment.augmentation import known
from hachimachi.io import read, write

from .conftest import Said

SHIFT = "addrand(range=(1, 6), dims=pitch)"


@pytest.fixture
def piece(shared_data: Path) -> Path:
    return shared_data / "single" / "piano_train.json"


def test_it_says_what_it_did(hxmx_said: Said, piece: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.json"
    words = ("--op", "add(value=100, dims=velocity)", "--op", "mul(value=2, dims=(t, duration)); rev()")
    status, out, _ = hxmx_said("augment", piece, output, *words)
    assert status == 0
    [before], [after] = read(piece), read(output)
    assert after.seconds == pytest.approx(2 * before.seconds)
    velocity = np.minimum(before.column("velocity") + 100, 127)[::-1]
    assert np.array_equal(after.column("velocity"), velocity)
    held = int((before.column("velocity") + 100 > 127).sum())
    assert "add(dims=velocity, value=100)\n  changed 1,755 of 1,755 values\n" in out
    assert f"  held {held:,} that would have left their range: velocity {held:,}\n" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["velocity", "18–106", "118–127"] in lines
    assert before.time is not None
    longest = np.diff(before.time).max()
    assert ["time", f"0–{longest:.5g}", f"0–{2 * longest:.5g}"] in lines
    assert lines[-2] == ["1,755", "events", "in", f"{after.seconds:.1f}", "s"]
    assert out.endswith(f"→ {output}\n")
    assert max(map(len, out.splitlines())) <= 80 + len(str(tmp_path))


def test_the_same_seed_gives_the_same_file(hxmx_said: Said, piece: Path, tmp_path: Path) -> None:
    made = []
    for i, seed in enumerate((1, 1, 2)):
        assert hxmx_said("augment", piece, tmp_path / f"{i}.json", "--op", SHIFT, "--seed", seed)[0] == 0
        made.append((tmp_path / f"{i}.json").read_bytes())
    assert made[0] == made[1] != made[2]


def test_several_sequences_are_numbered_in_files(
    hxmx_said: Said, make_pieces: Callable[..., list], tmp_path: Path
) -> None:
    write(tmp_path / "data.json", make_pieces([30, 20, 40]))
    words = ("augment", tmp_path / "data.json", tmp_path / "out.mid", "--op", SHIFT.replace("6", "30"))
    status, out, _ = hxmx_said(*words)
    assert status == 0
    assert "in 3 of 3 sequences" in out
    assert out.endswith("out-1.mid … out-3.mid\n")
    pieces = [read(tmp_path / f"out-{number}.mid")[0] for number in (1, 2, 3)]
    assert [len(piece) for piece in pieces] == [30, 20, 40]
    assert len({int(piece.column("pitch").max()) for piece in pieces}) == 3  # each its own draw


@pytest.mark.parametrize("suffix", [".json", ".csv", ".mid", ".wav"])
def test_every_format_is_written(
    hxmx_said: Said, make_pieces: Callable[..., list], tmp_path: Path, suffix: str
) -> None:
    write(tmp_path / "data.json", make_pieces([30]))
    status, *message = hxmx_said("augment", tmp_path / "data.json", tmp_path / f"out{suffix}", "--op", SHIFT)
    assert status == 0, message
    assert (tmp_path / f"out{suffix}").stat().st_size > 100


@pytest.mark.parametrize("folder", ["out/", "out.arrow/"])
def test_folders_hold_all_sequences(
    hxmx_said: Said, make_pieces: Callable[..., list], tmp_path: Path, folder: str
) -> None:
    write(tmp_path / "data.json", make_pieces([30, 20, 40]))
    words = ("augment", tmp_path / "data.json", f"{tmp_path}/{folder}", "--op", SHIFT)
    status, *message = hxmx_said(*words)
    assert status == 0, message
    assert (tmp_path / folder).is_dir()
    assert len(read(tmp_path / folder)) == 3
    status, _, error = hxmx_said(*words)
    assert status == 1
    assert ("already" in error or "there is something in this folder" in error, error.count("\n")) == (True, 1)


def test_a_picture_of_before_and_after(hxmx_said: Said, piece: Path, tmp_path: Path) -> None:
    words = ("--op", SHIFT, "--plot", tmp_path / "out.png")
    status, out, _ = hxmx_said("augment", piece, tmp_path / "out.json", *words)
    assert status == 0
    assert out.endswith("out.json, " + str(tmp_path / "out.png") + "\n")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--op", "addrand(range=(1, 6), dim=pitch)"], 2, ["did you mean dims?", " " * 24 + "^"]),
        (
            ["--op", "addrand(range=(1, 6), dims=pich)"],
            1,
            ["no feature pich; did you mean pitch?", "\n" + " " * 15 + "^"],
        ),
        ([], 2, ["Missing option '--op'"]),
        (["--op", "rev", "--plot", "out.txt"], 1, ["not a picture's name"]),
        (["--op", "rev", "--plot", "no/out.png"], 1, ["no/out.png", "no folder"]),
    ],
)
def test_wrong_calls_write_nothing(
    hxmx_said: Said, piece: Path, tmp_path: Path, words: list[str], status: int, says: list[str]
) -> None:
    found, _, err = hxmx_said("augment", piece, tmp_path / "out.json", *words)
    assert found == status
    for text in says:
        assert text in err
    assert list(tmp_path.iterdir()) == []


def test_wrong_files(hxmx_said: Said, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x\n1\n2\n")
    status, _, err = hxmx_said("augment", tmp_path / "a.csv", tmp_path / "a.csv", "--op", "rev")
    assert (status, "is what it is to be made from" in err) == (1, True)
    status, _, err = hxmx_said("augment", tmp_path / "no.csv", tmp_path / "b.csv", "--op", "rev")
    assert (status, "there is no such file" in err) == (1, True)
    status, _, err = hxmx_said("augment", tmp_path / "a.csv", tmp_path / "b.txt", "--op", "rev")
    assert (status, "hachimachi can write" in err) == (1, True)
    status, _, err = hxmx_said("augment", tmp_path / "a.csv", tmp_path / "b.mid", "--op", "rev")
    assert status == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


def test_help_lists_every_operation(hxmx_said: Said) -> None:
    _, out, _ = hxmx_said("augment", "--help")
    for name, op in known().items():
        assert f"\n  {name} " in out
        assert op.__doc__
    assert max(map(len, out.splitlines())) <= 80
