"""The model file: exact, whole or not there, and no way for code to come in."""

from __future__ import annotations

import copy
import json
import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hachimachi.checkpoint import describe, load_model, save_model
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.generation import generate
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.ngrams import KINDS


@pytest.fixture(scope="module")
def data() -> EventSequence:
    chance = np.random.default_rng(0)
    features = (Feature("pitch", kind="integer"), Feature("level"), Feature("kind", kind="categorical"))
    values = np.column_stack([chance.integers(40, 60, 60), chance.normal(size=60), chance.choice(3, 60)]).astype(float)
    return EventSequence(features, values, np.cumsum(chance.exponential(0.2, 60)))


@pytest.fixture(scope="module")
def model(data: EventSequence) -> EventModel:
    torch.manual_seed(0)
    model = build_model([data], {"name": "lstm", "size": 8, "layers": 2}, {"name": "mixture", "components": 3})
    model.summary = {"config": {"seed": 7}, "date": "2024-01-01"}
    return model.eval()


def content(model: EventModel, **changed: Any) -> dict[str, Any]:
    return {
        "format": "hachimachi.model",
        "version": 1,
        "spec": describe(model),
        "state_dict": model.state_dict(),
        **changed,
    }


def refused(path: Path) -> str:
    with pytest.raises(HachimachiError) as caught:
        load_model(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


def test_what_is_saved_is_what_is_loaded(model: EventModel, data: EventSequence, tmp_path: Path) -> None:
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt")
    assert not loaded.training
    assert loaded.columns == model.columns
    assert loaded.parts == model.parts
    assert loaded.summary == model.summary
    assert all(map(torch.equal, loaded.state_dict().values(), model.state_dict().values()))
    rows = torch.from_numpy(data.rows())[None]
    assert torch.equal(loaded.log_prob(rows), model.log_prob(rows))
    assert generate(loaded, 20) == generate(model, 20)
    assert set(loaded.grams) == set(model.grams) == set(KINDS)
    for grams in loaded.grams.values():
        assert grams.found(data).all()
        assert grams.longest_run(data) == len(data) - 1


def test_a_file_from_before_there_were_grams(model: EventModel, tmp_path: Path) -> None:
    torch.save(content(model), tmp_path / "model.pt")
    assert load_model(tmp_path / "model.pt").grams == {}


@pytest.mark.parametrize("grams", [3, {"fresh": 3}, {"fresh": torch.zeros(3)}, {"fresh": torch.zeros((3, 3)).long()}])
def test_grams_that_are_none(model: EventModel, tmp_path: Path, grams: object) -> None:
    torch.save(content(model, hachimachi_grams=grams), tmp_path / "model.pt")
    assert "do not fit (" in refused(tmp_path / "model.pt")


class Payload:
    """Would create a file when unpickled."""

    def __init__(self, sign: Path) -> None:
        self.sign = sign

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"echo ran > {self.sign}",)


def test_code_in_a_file_is_refused_and_not_run(model: EventModel, tmp_path: Path) -> None:
    sign, path = tmp_path / "ran", tmp_path / "model.pt"
    payload = Payload(sign)
    for hidden in (payload, content(model, spec=payload), content(model, state_dict={"x": payload})):
        torch.save(hidden, path)
        assert refused(path) == "refused, it holds more than numbers and texts and may run code"
    for plain in (
        lambda: path.write_bytes(pickle.dumps(payload)),
        lambda: path.write_bytes(pickle.dumps(payload, protocol=0)),
        lambda: torch.save(payload, path, _use_new_zipfile_serialization=False),
    ):
        plain()
        assert refused(path).startswith("damaged, or not a model file")
    assert not sign.exists()
    pickle.loads(pickle.dumps(payload))  # a payload that can do it
    assert sign.exists()


def test_a_whole_module_is_refused(model: EventModel, tmp_path: Path) -> None:
    torch.save(model, tmp_path / "model.pt")
    assert "may run code" in refused(tmp_path / "model.pt")


def test_files_that_are_no_models(model: EventModel, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    assert refused(path) == "no such file; expected a model written by hxmx train"
    assert refused(tmp_path) == "is a folder; expected a model written by hxmx train"
    save_model(model, path)
    whole = path.read_bytes()
    wrongs = [b"", b'{"features": {}, "data": [[1]]}', b"MThd" + bytes(100), np.random.default_rng(0).bytes(3000)]
    for wrong in [*wrongs, whole[: len(whole) // 2], whole[:-1], whole[1:2000]]:
        path.write_bytes(wrong)
        assert refused(path) == "damaged, or not a model file; expected one written by hxmx train"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert refused(path).startswith("damaged")
    for other in ([1, 2], {"state_dict": {}}, {"format": "another"}, torch.zeros(3)):
        torch.save(other, path)
        assert refused(path) == "not a model file; expected one written by hxmx train"


@pytest.mark.parametrize("version", [0, 3, "1", None])
def test_another_version(model: EventModel, tmp_path: Path, version: object) -> None:
    torch.save(content(model, version=version), tmp_path / "model.pt")
    said = refused(tmp_path / "model.pt")
    assert said == f"a model of version {version}, this hxmx reads version 2; train it again"


MIXTURE = {"name": "mixture", "components": 3}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"parts": {"backbone": {"name": "os.system"}}}, "backbone 'os.system' is not known; known are gru, lstm"),
        ({"parts": {"backbone": {"name": "torch.nn.LSTM", "size": 8}}}, "backbone 'torch.nn.LSTM' is not known"),
        ({"parts": {"head": {"name": "builtins.eval"}}}, "head 'builtins.eval' is not known; known are"),
        ({"parts": {"backbone": {"name": "lstm", "colour": 1}}}, "backbone 'lstm' cannot be built from"),
        (
            {
                "parts": {
                    "backbone": {"name": "lstm", "size": 9, "layers": 2},
                    "head": {"name": "mixture", "components": 3},
                }
            },
            "(size mismatch for backbone.",
        ),
        ({"parts": {"backbone": {"name": "gru", "size": 8}}}, "do not fit ("),
        ({"parts": {"encoder": {}}}, "do not fit ("),
        ({"columns": []}, "nothing is left to hear"),
        ({"columns": [{}]}, "do not fit ('grid')"),
    ],
)
def test_a_description_that_does_not_fit(model: EventModel, tmp_path: Path, change: dict, said: str) -> None:
    spec = json.dumps({**json.loads(describe(model)), **change})
    torch.save(content(model, spec=spec), tmp_path / "model.pt")
    assert said in refused(tmp_path / "model.pt")


@pytest.mark.parametrize("spec", ["", "{", "[]", "3", "[" * 100_000, '{"columns": 3, "parts": {}, "summary": {}}'])
def test_a_description_that_is_none(model: EventModel, tmp_path: Path, spec: str) -> None:
    torch.save(content(model, spec=spec), tmp_path / "model.pt")
    assert "train it again" in refused(tmp_path / "model.pt")


@pytest.mark.parametrize("weights", [{}, [1], {"x": torch.zeros(1)}, {1: 2}, None, {"first": "text"}])
def test_weights_that_do_not_fit(model: EventModel, tmp_path: Path, weights: object) -> None:
    for path, kept in (
        (tmp_path / "model.pt", content(model, state_dict=weights)),
        (tmp_path / "last.ckpt", {"hachimachi_spec": describe(model), "state_dict": weights}),
    ):
        torch.save(kept, path)
        assert refused(path).startswith("its description and its weights do not fit (")


def leaves(tree: Any, place: tuple = ()) -> list[tuple]:
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place, *(leaf for key, value in pairs for leaf in leaves(value, (*place, key)))]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_the_description_says_there_is_one_message(model: EventModel, tmp_path: Path, data: Any) -> None:
    spec = json.loads(describe(model))
    *way, last = data.draw(st.sampled_from([leaf for leaf in leaves(spec) if leaf]))
    part = spec
    for key in way:
        part = part[key]
    part[last] = data.draw(st.sampled_from([None, 0, -1, 3, 0.5, "x", [], [0], {}, float("nan"), True]))
    torch.save(content(model, spec=json.dumps(spec)), tmp_path / "model.pt")
    try:
        load_model(tmp_path / "model.pt")
    except HachimachiError as error:
        assert "\n" not in str(error)


def test_weights_that_are_no_numbers(model: EventModel, tmp_path: Path) -> None:
    ruined = copy.deepcopy(model)
    with torch.no_grad():
        ruined.bos[0] = torch.nan
    save_model(ruined, tmp_path / "model.pt")
    assert "not all finite" in refused(tmp_path / "model.pt")


@pytest.mark.parametrize(
    "change",
    [{"occupied": [10**15]}, {"occupied": [-1]}, {"counts": [0]}, {"counts": []}, {"grid": {"resolution": 0.0}}],
)
def test_a_column_that_contradicts_itself(model: EventModel, tmp_path: Path, change: dict[str, Any]) -> None:
    whole = content(model)
    spec = json.loads(whole["spec"])
    column = spec["columns"][0]
    column.update(occupied=[3], counts=[5])
    if "grid" in change:
        column["grid"]["lattice"].update(change["grid"])
    else:
        column.update(change)
    torch.save({**whole, "spec": json.dumps(spec)}, tmp_path / "model.pt")
    assert "contradict each other" in refused(tmp_path / "model.pt")
