"""From Python too a wrong argument is one sentence that says what is expected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hachimachi as hx
from hachimachi.events import EventSequence, make_sequence
from hachimachi.player.engine import Player

PIECE = make_sequence([[60.0 + i % 5, 80.0] for i in range(40)], [i / 4 for i in range(40)], ["pitch", "velocity"])
BETWEEN = r"Constraint\.between"
MODEL = r"as load_model\(…\) returns it"
EVENTS = r"event sequences, as read\(…\) returns them"
CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    "evaluate a path": (lambda model: hx.evaluate(model, "data.json"), EVENTS),  # pyright: ignore
    "evaluate by a path": (lambda _: hx.evaluate("model.pt", PIECE), f"'model.pt'.*{MODEL}"),  # pyright: ignore
    "evaluate by a player": (lambda model: hx.evaluate(Player(model), PIECE), MODEL),  # pyright: ignore
    "compare on a path": (lambda model: hx.compare([model, model], "data.json"), EVENTS),  # pyright: ignore
    "playing of a path": (lambda model: hx.evaluate_playing(model, "data.json", [PIECE]), EVENTS),  # pyright: ignore
    "playing by a path": (lambda _: hx.evaluate_playing("model.pt", [PIECE], [PIECE]), MODEL),  # pyright: ignore
    "generate by a path": (lambda _: hx.generate("model.pt", 5), MODEL),  # pyright: ignore
    "generate from a path": (lambda model: hx.generate(model, 5, primer="data.json"), "primer.*" + EVENTS),  # pyright: ignore
    "generate from several": (lambda model: hx.generate(model, 5, primer=[PIECE, PIECE]), "holds 2 sequences"),
    "generate a text": (lambda model: hx.generate(model, "5"), "number of events: found '5'"),  # pyright: ignore
    "generate by a seed of letters": (lambda model: hx.generate(model, 5, seed="a"), "seed: found 'a'"),  # pyright: ignore
    "generate at a text": (lambda model: hx.generate(model, 5, temperature="hot"), "temperature is hot"),  # pyright: ignore
    "draw by a number": (lambda model: hx.generate(model, 5, sampling=0.8), r"Sampling\("),  # pyright: ignore
    "a tuple for a constraint": (lambda _: hx.Sampling(constraints={"pitch": (40, 60)}), BETWEEN),  # pyright: ignore
    "a constraint of no column": (lambda _: hx.Sampling(constraints=hx.Constraint.between(0, 1)), BETWEEN),  # pyright: ignore
    "polyphony in letters": (lambda _: hx.Sampling(polyphony="3"), "polyphony is 3; expected 1 note"),  # pyright: ignore
    "train a path": (lambda _: hx.train("data.json"), r"compose\("),  # pyright: ignore
    "compose a text": (lambda _: hx.compose("model=lstm"), "key=value"),
    "fine-tune an object": (lambda model: hx.fine_tune(model, "data.json"), "class EventModel.*the path"),
    "read a number": (lambda _: hx.read(3), "source: found 3"),  # pyright: ignore
    "write the wrong way round": (lambda _: hx.write([PIECE], "data.json"), EVENTS),  # pyright: ignore
    "save the wrong way round": (lambda model: hx.save_model("model.pt", model), "save_model"),  # pyright: ignore
    "load a model": (hx.load_model, "class EventModel.*path of a model file"),
    "build from a path": (lambda _: hx.build_model("data.json"), EVENTS),  # pyright: ignore
    "a backbone by its name alone": (lambda _: hx.build_model(PIECE, "lstm"), r'\{"name": "lstm"\}'),  # pyright: ignore
    "a module of a path": (lambda _: hx.EventModule("model.pt"), "EventModel"),  # pyright: ignore
    "a data module of events": (lambda _: hx.EventDataModule([PIECE]), "path of a data set"),  # pyright: ignore
    "a performer of a path": (lambda _: hx.Performer("model.pt"), MODEL),  # pyright: ignore
    "describe a number": (lambda _: hx.describe(3), EVENTS),  # pyright: ignore
}


@pytest.fixture(scope="module")
def model() -> hx.EventModel:
    return hx.build_model(PIECE)


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_argument_is_one_sentence(model: hx.EventModel, name: str) -> None:
    call, expected = CALLS[name]
    with pytest.raises(hx.HachimachiError, match=expected) as found:
        call(model)
    assert len(str(found.value).splitlines()) == 1


def test_what_read_returns_is_a_primer(tmp_path: Path, model: hx.EventModel) -> None:
    hx.write(tmp_path / "data.json", PIECE)
    primer: list[EventSequence] = hx.read(tmp_path / "data.json")
    assert hx.generate(model, 5, primer=primer) == hx.generate(model, 5, primer=PIECE)


def test_a_config_is_checked_again_when_training_begins() -> None:
    cfg = hx.compose(["dataset.path=none.json"])
    cfg.trainer.max_steps = -7
    with pytest.raises(hx.HachimachiError, match=r"trainer\.max_steps: found -7"):
        hx.train(cfg)
