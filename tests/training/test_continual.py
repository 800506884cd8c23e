"""Learning on from a model as it is: what it gains, what it keeps, and what it refuses."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hachimachi import compose, load_model, train
from hachimachi.checkpoint import INDEX, read_model, save_model
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.io import write
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.training import continual
from hachimachi.training.continual import LearningOutcome, blend, learn, recall, standard_error

QUICK = ("trainer.max_steps=30", "optimizer.lr=3e-3")


def make_melody(count: int, pattern: tuple[int, ...] = (60, 64, 67, 72)) -> EventSequence:
    velocity = 80 + np.arange(count) % 3
    return make_sequence(
        np.column_stack([[pattern[i % len(pattern)] for i in range(count)], velocity]),
        [0.25 * i for i in range(count)],
        ["pitch", "velocity"],
    )


@pytest.fixture(scope="module")
def model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that knows nothing but how often each of many pitches comes."""
    folder, chance = tmp_path_factory.mktemp("continual"), np.random.default_rng(0)
    data = np.column_stack([chance.integers(50, 80, 300), chance.integers(60, 100, 300)])
    piece = make_sequence(data, np.cumsum(chance.exponential(0.25, 300)), ["pitch", "velocity"])
    save_model(build_model([piece], {"name": "gru", "size": 16}), folder / "origin.pt")
    return folder / "origin.pt"


def test_it_begins_with_what_it_scores_and_gets_better(model_path: Path, tmp_path: Path) -> None:
    phases: list[tuple[str, float]] = []
    made, output = tmp_path / "work" / "version1.pt", tmp_path / "night" / "version1.pt"
    played = [make_melody(100), make_melody(60), make_melody(1)]
    outcome = learn(
        played, model_path, model_path, output, made.parent, lambda *told: phases.append(told), "mine", QUICK
    )
    assert [phase for phase, _ in phases] == ["training", "judging"] and phases[0][1] > 0
    assert outcome.better and outcome.new < outcome.old - 0.1 and not outcome.own
    output.parent.mkdir()
    for name in ("version1.pt", "version1.json", "version1-split.json"):
        (made.parent / name).rename(output.parent / name)
    old, new = load_model(model_path), load_model(output)
    assert new.columns == old.columns
    assert new.summary["stage"]["events"] == 128 and new.summary["stage"]["scope"] == "mine"
    assert new.summary["init"]["name"] == str(model_path)
    held = evaluate(new, [make_melody(60)]).nats_per_event
    assert held < evaluate(old, [make_melody(60)]).nats_per_event
    # what it learned from lies beside it, by which the next evening goes on
    known, kept, own = recall(new, 50)
    assert own and sum(map(len, known)) == 50 and kept
    split = json.loads((output.parent / "version1-split.json").read_text())
    assert set(split) == {"train", "valid"}


def test_no_plugin_that_a_model_file_names_is_imported(
    model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "forged_part.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    forged = tmp_path / "forged.pt"
    with zipfile.ZipFile(model_path) as there, zipfile.ZipFile(forged, "w") as archive:
        for entry in there.infolist():
            content = there.read(entry)
            if entry.filename.endswith(INDEX):
                index = json.loads(content)
                index["spec"]["plugins"] = ["forged_part"]
                content = json.dumps(index).encode()
            archive.writestr(entry.filename, content)
    assert read_model(forged).plugins == ("forged_part",)
    learn([make_melody(60)], forged, forged, tmp_path / "version1.pt", tmp_path / "work", overrides=QUICK)
    assert "forged_part" not in sys.modules


def test_what_got_no_better_leaves_no_file(model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(continual, "FORGOTTEN", -10.0)  # whatever it learns, too much is forgotten
    work = tmp_path / "work"
    outcome = learn([make_melody(80)], model_path, model_path, tmp_path / "version1.pt", work, overrides=QUICK)
    assert not outcome.better
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize(
    ("new", "known_new", "better"),
    [(1.8, 3.05, True), (1.95, 3.0, False), (2.0, 3.0, False), (2.1, 2.0, False), (1.0, 3.2, False)],
)
def test_better_is_what_gained_more_than_noise_and_forgot_little(new: float, known_new: float, better: bool) -> None:
    assert LearningOutcome(new, known_new, 2.0, 3.0, own=False, error=0.1).better is better


def test_the_error_of_a_gain_is_that_of_blocks() -> None:
    gains = np.repeat(np.random.default_rng(0).normal(1.0, 1.0, 400), 50)  # neighbours are alike
    error = standard_error(gains)
    assert error == pytest.approx(1 / 400**0.5, rel=0.15)
    assert standard_error(np.ones(100)) == 0
    assert 0.1 < standard_error(np.random.default_rng(1).normal(0.0, 1.0, 10)) < 1  # the fewest that may be played
    assert standard_error(np.ones(1)) == float("inf")


def test_a_summary_made_by_hand_may_lack_anything(tmp_path: Path) -> None:
    write(tmp_path / "data.json", make_melody(200))
    model = build_model([make_melody(200)], {"name": "gru", "size": 8})
    lacking = {"config": {"dataset": {"path": str(tmp_path / "data.json")}}, "data": {"events": 200}}
    model.summary = lacking | {"held_out": {"events": 40}, "init": {}}
    save_model(model, tmp_path / "hand.pt")
    output, work = tmp_path / "version1.pt", tmp_path / "work"
    outcome = learn([make_melody(60)], tmp_path / "hand.pt", tmp_path / "hand.pt", output, work, overrides=QUICK)
    assert not outcome.own


def test_shares_of_what_was_learned_lie_in_between(model_path: Path) -> None:
    base = load_model(model_path)
    other = EventModel(
        base.columns, base.parts["backbone"], base.parts["head"], 3
    ).eval()  # told of other augmentations
    piece = make_melody(50)
    before = {name: array.clone() for name, array in other.state_dict().items()}
    blend(other, base, 1.0)
    assert all(array.equal(before[name]) for name, array in other.state_dict().items())
    middle = (base.bos + other.bos).detach() / 2
    assert blend(other, base, 0.5).bos.detach().allclose(middle)
    same = evaluate(blend(other, base, 0.0), piece)
    assert same.nats_per_event == pytest.approx(evaluate(base, piece).nats_per_event)


def test_it_rehearses_its_own_data_where_that_is_at_hand(tmp_path: Path) -> None:
    write(tmp_path / "data.json", make_melody(200))
    words = [f"dataset.path={tmp_path / 'data.json'}", f"output={tmp_path / 'model.pt'}", "init=none", "model.size=8"]
    train(compose([*words, "callbacks=quiet", "logger=none", "trainer.max_steps=4"]), tmp_path / "run")
    model = load_model(tmp_path / "model.pt")
    known, kept, own = recall(model, 100)
    assert own and sum(map(len, known)) == 100 and sum(map(len, kept)) == 20
    assert set(np.unique(known[0].column("pitch"))) <= {60, 64, 67, 72}
    write(tmp_path / "data.json", make_melody(210))  # it is no longer what was learned from
    known, kept, own = recall(model, 100)
    assert not own and sum(map(len, known)) >= 100 and kept


@pytest.mark.parametrize("head", ["autoregressive", "mixture"])
def test_values_beyond_the_grid_and_time_where_there_is_none(tmp_path: Path, head: str) -> None:
    features = (Feature("x", min=0, max=1, resolution=0.01),)
    chance = np.random.default_rng(1)
    model = build_model(
        [EventSequence(features, chance.random((100, 1)), None)], {"name": "gru", "size": 8}, {"name": head}
    )
    save_model(model, tmp_path / "hand.pt")
    walk = np.clip(0.5 + np.cumsum(chance.normal(0, 0.01, 120)), 0, 1)[:, None]
    walk[5] = 7.0
    played = EventSequence(features, walk, np.arange(120.0))
    output = tmp_path / "version1.pt"
    outcome = learn([played], tmp_path / "hand.pt", tmp_path / "hand.pt", output, tmp_path, overrides=QUICK)
    assert outcome.new < outcome.old
