"""The benchmark of models: its baselines, its tasks and its table; what it measures is not asserted."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import model
from benchmarks.first_order import score_baselines, score_column
from benchmarks.tasks import SINGLES, find_tasks
from hachimachi import io
from hachimachi.columns import fit_columns
from hachimachi.errors import HachimachiError
from hachimachi.events import make_sequence


def test_first_order_probabilities_sum_to_one_and_back_off_to_the_marginal() -> None:
    values = np.random.default_rng(0).integers(0, 9, 400).astype(float) * 2
    values[::2] = values[1::2]  # every other value is the one before it
    [column] = fit_columns([make_sequence(values[:, None])])
    grid = np.arange(column.occupied[0], column.occupied[-1] + 1) + column.grid.low  # pyright: ignore
    beyond = grid[-1] + 1.0  # stands for all that lies beyond
    for before in (4.0, 4000.0):
        pairs = [np.array([before, after]) for after in [*grid.astype(float), beyond]]
        p = np.exp(-score_column(column, [values], pairs))
        assert p.sum() == pytest.approx(1.0)
        if before == 4.0:
            assert p[:-1][grid == 4.0] > 0.3
        else:  # never heard: the marginal
            assert p == pytest.approx(np.exp(-column.marginal_nats(np.append(grid.astype(float), beyond))))


def test_first_order_counts() -> None:
    column = fit_columns([make_sequence([[0], [1], [0], [1], [0], [2]])])[0]
    told = np.exp(-score_column(column, [np.array([0.0, 1, 0, 1, 0, 2])], [np.array([np.nan, 0.0, 1.0])]))
    marginal = np.exp(-column.marginal_nats(np.array([0.0, 1.0])))
    assert told == pytest.approx([marginal[0], (2 + 1 * marginal[1]) / (3 + 1)])


@pytest.mark.parametrize("task", SINGLES)
def test_baselines_of_performances(shared_data: Path, task: str) -> None:
    [found] = find_tasks(shared_data, [task], corpora=False)
    told = score_baselines(*found.read())
    known = {"fresh": 12.88, "piano": 10.88, "drums": 8.96, "multi": 6.86, "control": 15.92}
    assert told.marginal == pytest.approx(known[task], abs=0.03)
    assert told.events == len(io.read(found.test)[0]) - 1


def test_tasks_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(HachimachiError, match=r"fresh_train.json: not there; expected the corpora beside"):
        find_tasks(tmp_path, [], corpora=False)
    with pytest.raises(HachimachiError, match=r"tuba: no such task; expected some of fresh, piano"):
        find_tasks(tmp_path, ["tuba"], corpora=False)


def test_it_asks_the_command_line_and_writes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], make_pieces: Any
) -> None:
    (tmp_path / "single").mkdir()
    for part, length in (("train", 60), ("test", 30)):
        io.write(tmp_path / "single" / f"piano_{part}.json", make_pieces([length]))
    asked: list[tuple[str, ...]] = []

    def hxmx(*words: str, cwd: Path) -> str:
        assert cwd.is_dir()
        asked.append(words)
        if "head=mixture" in words:
            raise HachimachiError("hxmx train: no")
        seed = next((word for words in reversed(asked) for word in words if word.startswith("seed=")), "")
        return json.dumps({"nats_per_event": {"seed=0": 9.0, "seed=1": 5.0, "seed=2": 6.0}.get(seed)})

    monkeypatch.setattr(model, "_hxmx", hxmx)
    monkeypatch.setattr(model, "FOLDER", tmp_path / "bench")
    assert model.main([str(tmp_path), "--tasks", "piano", "--parts", "default,mixture"]) == 1  # one part failed
    [path] = (tmp_path / "bench").glob("*.md")
    *_, heading, _, row = path.read_text().splitlines()
    assert heading == "| task | events | marginal | first order | mixture | default |"
    assert row.startswith("| piano | 29 | ")
    assert row.endswith("| – | 6.00, 0 s |")
    shown = capsys.readouterr().out
    assert "piano: mixture, seed 0: failed: hxmx train: no" in shown
    assert "piano: default, seed 2: 6.00 nats per event" in shown


def test_a_word_it_does_not_know_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        model.main(["--parts", "tuba"])
    assert "--parts tuba: expected some of mixture,default" in capsys.readouterr().err
