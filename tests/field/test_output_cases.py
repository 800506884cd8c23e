"""What is drawn, printed and written: names with signs, screens without Unicode, full disks, long files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib.text import Text
from pretty_midi import PrettyMIDI

from hachimachi import plot
from hachimachi.events import make_sequence
from hachimachi.io import read

from .conftest import Case, Said

NAMES = ("Ba$$in", "Ke$ha - Tik$Tok", "$k_1$", r"a$\frac{1$b", "x_y^z {1} %", r"a\$b")


@pytest.mark.parametrize("name", NAMES)
def test_32_names_are_drawn_as_they_are(tmp_path: Path, name: str) -> None:
    sequence = make_sequence([[60 + i % 3, i % 5] for i in range(40)], [i / 4 for i in range(40)], ["pitch", name])
    traces = make_sequence(sequence.data, sequence.time, [f"{name} 2", name])
    for figure in (
        plot.compare(sequence, sequence, titles=(name, name)),
        plot.compare(traces, traces),
        plot.overview(traces),
        plot.distributions(traces),
    ):
        plot.save(figure, tmp_path / "x.png")
        texts = [text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)]
        assert any(name.replace("$", r"\$") in text for text in texts)


def test_32_pictures_of_odd_names_by_every_command(case: Case, hxmx_said: Said) -> None:
    case("32")
    assert hxmx_said("info", "Ba$$in.mid", "--plot", "p.png")[0] == 0
    assert hxmx_said("augment", "Ba$$in.mid", "a.json", "--op", "rev()", "--plot", "a.png")[0] == 0
    assert hxmx_said("train", "bad.csv", "b.pt", "trainer.max_epochs=1", "callbacks.progress=false")[0] == 0


def printed(folder: Path, encoding: str, *words: str) -> tuple[int, str, str]:
    """What a command prints on a screen of an encoding."""
    found = subprocess.run(
        [sys.executable, "-m", "hachimachi.cli", *words],
        cwd=folder,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return found.returncode, found.stdout.decode(encoding, "replace"), found.stderr.decode(encoding, "replace")


@pytest.mark.parametrize("encoding", ["cp1252", "cp437", "latin-1", "ascii"])
def test_34_screens_without_unicode(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "notes.csv").write_text("time,pitch\n" + "".join(f"{i / 4},{60 + i * i % 12}\n" for i in range(60)))
    for words in (
        ("format", "notes.csv", "o.json"),
        ("info", "notes.csv"),
        ("augment", "notes.csv", "a.json", "--op", "rev()"),
        ("format", "nötes→.csv", "o.json"),
    ):
        status, out, err = printed(tmp_path, encoding, *words)
        assert status == (0 if "notes.csv" in words else 1), err
        assert out if status == 0 else err.startswith("hxmx: n")
        assert "Traceback" not in err


def test_34_the_cases_of_the_field(case: Case) -> None:
    status, out, _ = printed(case("34"), "cp1252", "format", "good.mid", "o.json")
    assert (status, out.splitlines()[-1]) == (0, "-> o.json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("size", [20, 200])
def test_39_a_full_disk_is_told_in_one_line(case: Case, hxmx_said: Said, size: int) -> None:
    folder = case("39")
    small = folder / "small"
    small.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "none", str(small)], check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        words = ("train", "notes.json", "small/m.pt", "trainer.max_epochs=1", "logger=none", "callbacks=quiet")
        status, _, err = hxmx_said(*words)
        assert status == 1
        assert err == "hxmx: small/m.pt: cannot be written: No space left on device\n"
        (small / "full").write_bytes(b"x" * size * 1024)
        for output in ("o.json", "o.mid", "o.csv"):
            status, _, err = hxmx_said("format", "notes.json", f"small/{output}")
            assert (status, "No space left" in err) == (1, True)
        assert [path.name for path in small.iterdir()] == ["full"]
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_40_repeated_notes_and_41_long_pieces(case: Case, hxmx_said: Said) -> None:
    case("40")
    for name, notes, of_others in (("borked", 100, 100), ("hour", 4000, 4000), ("overlap", 2, 2), ("zero", 4, 3)):
        status, out, _ = hxmx_said("format", f"{name}.json", f"{name}.mid")
        assert status == 0
        assert ("end at once" in " ".join(out.split())) == (
            of_others < notes
        )  # a second note of a key: others drop what has no length
        written = PrettyMIDI(f"{name}.mid")
        assert sum(len(instrument.notes) for instrument in written.instruments) == of_others
        assert len(read(f"{name}.mid")[0]) == notes
