"""What the measurement of augmentations prints."""

from __future__ import annotations

import pytest

from benchmarks import augment


def test_it_prints_a_row_for_each_case(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(augment, "ROUNDS", 1)
    monkeypatch.setattr(augment, "STEPS", 1)
    augment.main()
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split() == ["windows", "varied", "ms", "a", "step", "share"]
    assert [row[:20].strip() for row in rows[:2]] == ["as they are", "by the recipe"]
    assert len(rows) == 2 + len(augment.WRITTEN)
    assert all(float(row.split()[-2]) > 0 for row in rows)
    assert rows[0].split()[-1] == "1.000"
