"""How a model plays: all figures together, beside real music and their limits."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from hachimachi.errors import HachimachiError
from hachimachi.evaluation import playing
from hachimachi.evaluation.descriptors import Reference
from hachimachi.evaluation.playing import (
    Condition,
    PlayReport,
    cut_primers,
    evaluate_playing,
    list_conditions,
    play,
    play_briefly,
)
from hachimachi.evaluation.verdict import judge
from hachimachi.events import EventSequence, Feature, make_sequence
from hachimachi.generation import generate
from hachimachi.io.midi import NOTES
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.prelude import play_prelude
from hachimachi.sampling import Sampling


@pytest.fixture(scope="module")
def model() -> EventModel:
    torch.manual_seed(0)
    return build_model([play_prelude(times=1)], {"name": "gru", "size": 4}).eval()


@pytest.fixture(scope="module")
def unheard() -> EventSequence:
    """As much as 60 notes that have nothing to do with the prelude."""
    chance = np.random.default_rng(0)
    rows = np.column_stack([chance.integers(40, 80, 60), chance.integers(50, 70, 60), chance.uniform(0.1, 1, 60)])
    return EventSequence(NOTES[:3], rows.astype(float), np.cumsum(chance.exponential(0.3, 60)))


def limits_broken(told: PlayReport, group: str) -> set[str]:
    return {figure.name for figure in told.figures() if figure.group == group and not figure.held}


def test_what_is_copied_is_seen(model: EventModel, unheard: EventSequence) -> None:
    copied, own = play_prelude(times=1)[100:200], replace(unheard, data=unheard.data[::-1])
    told = evaluate_playing(model, [unheard], [copied, own])
    assert told.copying is not None
    assert told.copying.generated.longest == 99
    grams = {len(each): max(len(each) - 8, 0) for each in (copied, own)}
    assert told.copying.generated.share == pytest.approx(grams[100] / sum(grams.values()))
    assert limits_broken(told, "copying") == {"share", "longest"}
    real = told.copying.real.longest
    assert told.sentence().endswith(f"copies up to 99 notes of it in a row (music it has not heard: {real})")
    again = evaluate_playing(model, [copied], [copied])
    assert not limits_broken(again, "copying")
    assert again.copying is not None
    assert (again.copying.share_limit, again.copying.longest_limit) == (1, 198)


def test_collapses_are_counted_and_named(model: EventModel, unheard: EventSequence) -> None:
    rows = np.tile([60.0, 60, 0.2], (100, 1))
    stuck, silent = EventSequence(NOTES[:3], rows, np.arange(100.0)), replace(unheard, time=np.arange(60) * 11.0)
    told = evaluate_playing(model, [unheard], [stuck, unheard, silent])
    assert told.collapsed == 2
    assert limits_broken(told, "collapse") == {"collapsed", "repetition", "silence"}
    assert told.warning() == "Collapses in 2 of 3 generations: the same events again and again, silence"
    assert evaluate_playing(model, [unheard], [unheard]).warning() == ""


def test_the_worst_likeness_is_told(model: EventModel, unheard: EventSequence) -> None:
    loud = replace(unheard, data=np.add(unheard.data, [0, 50, 0]))
    told = evaluate_playing(model, [unheard], [loud])
    assert told.worst is not None
    assert told.worst.aspect == "velocity"
    assert limits_broken(told, "likeness") == {"velocity"}


def test_json_holds_every_figure(model: EventModel, unheard: EventSequence) -> None:
    told = evaluate_playing(model, [unheard[:5]], list(play(model, 2, 30)))
    figures = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert (figures["generations"], figures["events"]) == (2, 60)
    for figure in told.figures():
        assert set(figures[figure.group][figure.name]) >= {"generated", "real", "at_most"}
    assert figures["copying"]["share"]["real"] is None  # five events have no gram of eight steps


def test_a_model_that_does_not_know_its_training_data(unheard: EventSequence) -> None:
    old = build_model([play_prelude(times=1)], {"name": "gru", "size": 4})
    old.grams = {}
    told = evaluate_playing(old, [unheard], [unheard])
    assert told.copying is None
    assert "in a row" not in told.sentence()
    assert "copying" not in told.to_json()


def test_generations_are_those_of_the_first_seeds(model: EventModel) -> None:
    made = list(play(model, 3, 20))
    assert made == list(play(model, 3, 20))
    assert [len(each) for each in made] == [20] * 3
    assert made[0] != made[1]


def test_primed_generations_go_on_from_real_music(model: EventModel) -> None:
    pieces = [play_prelude(times=1), play_prelude(times=1)[20:60], play_prelude(times=1)[:1]]
    primers = cut_primers(pieces)
    assert [len(each) for each in primers] == [64, 20]
    assert primers[1] == pieces[1][:20].from_zero()
    made = list(play(model, 3, 10, primers=primers))
    expected = [generate(model, 10, primer=primers[seed % 2], seed=seed) for seed in range(3)]
    assert made == expected


def test_conditions_are_three_temperatures_or_what_is_asked_for() -> None:
    primers = cut_primers([play_prelude(times=1)])
    names = ["1", "0.9", "0.8", "1, primed", "0.9, primed", "0.8, primed"]
    assert [str(condition) for condition in list_conditions(primers)] == names
    assert [sampling.temperature for sampling in list_conditions([]).values()] == [1.0, 0.9, 0.8]
    asked = list_conditions(primers, Sampling(min_p=0.1))
    assert {str(condition): sampling.min_p for condition, sampling in asked.items()} == {
        "as given": 0.1,
        "as given, primed": 0.1,
    }


def test_a_brief_look_ends_in_time(model: EventModel, monkeypatch: pytest.MonkeyPatch) -> None:
    primers = cut_primers([play_prelude(times=1)])
    monkeypatch.setattr(playing, "BRIEF", (3, 10, 5, 1e9))
    made = play_briefly(model, primers)
    assert [[len(take) for take in takes] for takes in made.values()] == [[10] * 3, *[[5]] * 5]
    assert list(made) == list(list_conditions(primers))
    monkeypatch.setattr(playing, "BRIEF", (3, 10, 5, -1.0))
    assert [len(takes) for takes in play_briefly(model, primers).values()] == [1]


def test_a_report_has_every_condition_beside_the_source(model: EventModel, unheard: EventSequence) -> None:
    source = play_prelude(times=1)
    high = replace(source, data=np.add(source.data, [0, 20, 0]))
    played = {Condition(): [source[:200]], Condition(0.8): [high[:200]], Condition(0.8, primed=True): [source[:200]]}
    told = evaluate_playing(model, [unheard], played, [source])
    assert list(told.conditions) == list(played)
    reference = Reference([source], model.columns)
    for report, takes in zip(told.conditions.values(), played.values(), strict=True):
        assert list(report.descriptors) == reference.compare(takes)
    louder = {each.name: each.generated for each in told.by_temperature()[0.8]}
    as_it_is = {each.name: each.generated for each in told.by_temperature()[1.0]}
    assert louder.pop("velocity") == pytest.approx(as_it_is.pop("velocity") + 10)
    assert louder == pytest.approx(as_it_is, nan_ok=True)
    figures = json.loads(json.dumps(told.to_json(), allow_nan=False))
    assert [(each["temperature"], each["primed"]) for each in figures["others"]] == [(0.8, False), (0.8, True)]
    mean = source[:200].column("velocity").mean()
    assert figures["descriptors"]["velocity"]["generated"] == pytest.approx(mean)
    assert set(figures["descriptors"]) == {each.name for each in told.descriptors}


ODD = {
    "no time": (NOTES[:3], None),
    "pitch alone": (NOTES[:1], 0.25),
    "all at once": (NOTES[:3], 0.0),
    "one number": ((Feature("x"),), 0.02),
    "categories": ((Feature("mode", "categorical"),), 0.5),
}


@pytest.mark.parametrize("events", [1, 2, 3, 150])
@pytest.mark.parametrize("name", ODD)
def test_odd_and_tiny_data_has_a_report_in_words(name: str, events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "BRIEF", (1, 12, 12, 1e9))
    features, step = ODD[name]
    values = np.random.default_rng(0).integers(60, 68, (events, len(features))).astype(np.float64)
    data = [EventSequence(features, values, None if step is None else step * np.arange(events))]
    odd = build_model(data, {"name": "gru", "size": 4}).eval()
    told = evaluate_playing(odd, data, play_briefly(odd, cut_primers(data)), data)
    assert len(told.conditions) == (3 if events == 1 else 6)
    assert "nan" not in told.sentence() and "{" not in told.sentence()
    json.dumps(told.to_json(), allow_nan=False)
    for stderr in (0.1, math.nan):
        assert judge(1.0, stderr, told, events=events).lines()[0].startswith("Verdict: ")


@pytest.mark.parametrize("wrong", [[], [make_sequence([[1.0]], [0.0])]])
def test_what_cannot_be_examined(model: EventModel, unheard: EventSequence, wrong: list[Any]) -> None:
    with pytest.raises(HachimachiError):
        evaluate_playing(model, wrong, [unheard])
    with pytest.raises(HachimachiError):
        evaluate_playing(model, [unheard], wrong)
    with pytest.raises(HachimachiError, match="no events"):
        evaluate_playing(model, [unheard[:0]], [unheard])
