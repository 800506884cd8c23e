"""Few lines, and each says something."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hachimachi.live.screen.snapshot import ModelState, PlainLog, Snapshot
from tests.live.screen.snapshots import snapshots

MODEL = ModelState("piano.pt", ("pitch",), steering=("temperature 0.8",))
START = Snapshot(100.0, ("127.0.0.1:8000",), ("127.0.0.1:9000",), (MODEL,))


def at(seconds: float, *said: str, **state: object) -> Snapshot:
    return Snapshot(100.0 + seconds, models=(replace(MODEL, **state),), lines=said)  # type: ignore[arg-type]


def test_a_performance(capsys: pytest.CaptureFixture[str]) -> None:
    log = PlainLog()
    log.send(START)
    log.send(at(1, heard=3))
    log.send(at(2, heard=4, mode="loop"))
    log.send(at(3, "refused: /x", heard=5, mode="loop", steering=()))
    log.send(at(61, heard=900, mode="loop", steering=(), late=(0.02, 0.1, 1.3)))
    log.send(at(122, heard=900, mode="loop", steering=(), late=(0.02, 0.1, 1.3)))
    log.send(at(123, heard=901, name="bass.pt", mode="loop", steering=()))
    log.close()
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "ready: piano.pt; follow; temperature 0.8",
        "piano.pt: mode loop",
        "piano.pt: as learned",
        "piano.pt: heard 900, skipped 0, played 0, cancelled 0, refused 0; late p50 0.02, p99 0.10, max 1.30 ms",
        "piano.pt gives way to bass.pt",
    ]
    assert err == "hxmx: refused: /x\n"


def test_quiet_says_only_what_goes_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    log = PlainLog(quiet=True)
    log.send(START)
    log.send(at(61, "refused: \x1b[2J", heard=4, mode="loop"))
    log.close()
    assert capsys.readouterr() == ("", "hxmx: refused: �[2J\n")


def test_nothing_sent_nothing_said(capsys: pytest.CaptureFixture[str]) -> None:
    PlainLog().close()
    assert capsys.readouterr() == ("", "")


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(snapshots(), max_size=4))
def test_it_takes_anything(capsys: pytest.CaptureFixture[str], told: list[Snapshot]) -> None:
    log = PlainLog()
    for snapshot in told:
        log.send(snapshot)
    log.close()
    assert all(line.isprintable() for text in capsys.readouterr() for line in text.split("\n"))
