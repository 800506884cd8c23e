"""What a MIDI file cannot hold is said by the command that writes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hachimachi.cli import cli
from hachimachi.io import read


@pytest.mark.parametrize("suffix", [".mid", ".wav"])
def test_format_says_what_was_lost(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "x.csv").write_text("time,pitch,velocity\n0,60,0\n1,200,80\n2,60.5,80\n")
    done = CliRunner().invoke(cli, ["format", str(tmp_path / "x.csv"), str(tmp_path / f"x{suffix}")])
    assert done.exit_code == 0, done.output
    message = " ".join(done.output.split())
    assert "events of a pitch, instrument, channel, track or control that MIDI does not have: left out" in message
    assert "values between those that MIDI has: rounded" in message
    assert "velocities of 0" in message


def test_controls_there_and_back(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("time,control#,value\n0,7,100\n0.5,1,3\n0.5,7,99\n")
    runner = CliRunner()
    for words in (["x.csv", "x.mid"], ["x.mid", "y.csv", "--controls", "1,7"]):
        done = runner.invoke(cli, ["format", *(str(tmp_path / w) if "." in w else w for w in words)])
        assert done.exit_code == 0, done.output
    assert read(tmp_path / "y.csv")[0].data.tolist() == [[7, 100], [1, 3], [7, 99]]
