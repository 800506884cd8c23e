"""The model file of version 2: what NumPy reads of it plays what torch reads of it, and nothing in it can do harm."""

from __future__ import annotations

import io
import json
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

from hachimachi import plugins
from hachimachi.checkpoint import INDEX, load_model, load_player, read_model, save_model
from hachimachi.constraints import Constraint
from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.generation import generate
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.ngrams import KINDS
from hachimachi.player.engine import Player, StoredModel
from hachimachi.sampling import Sampling
from tests.test_checkpoint import Payload, leaves

PAIRS = [(backbone, head) for backbone in plugins.names("backbone") for head in plugins.names("head")]
SAMPLINGS = {
    "plain": Sampling(),
    "shaped": Sampling(temperature={"pitch": 0.7, "time": 1.2}, top_p=0.95, min_p=0.01),
    "constrained": Sampling(0.9, constraints={"pitch": Constraint.scale("C major"), "kind": Constraint.among([1.0])}),
}


@pytest.fixture(scope="module")
def data() -> EventSequence:
    chance = np.random.default_rng(0)
    features = (
        Feature("pitch", kind="integer"),
        Feature("level"),
        Feature("kind", kind="categorical"),
        Feature("duration", masked=True),
    )
    columns = [chance.integers(40, 60, 60), chance.normal(size=60), chance.choice(3, 60), chance.random(60)]
    return EventSequence(features, np.column_stack(columns).astype(float), np.cumsum(chance.exponential(0.2, 60)))


def build(data: EventSequence, backbone: str = "gru", head: str = "autoregressive") -> EventModel:
    """Return a model far from where training starts."""
    torch.manual_seed(0)
    first = {"order": ["kind", "pitch"]} if head == "autoregressive" else {}
    model = build_model([data], {"name": backbone, "size": 32, "layers": 2}, {"name": head, **first})
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
        model.encoder.augmented.fill_(1.0)
    model.summary = {"config": {"seed": 7}}
    return model.eval()


@pytest.fixture(scope="module")
def whole(data: EventSequence, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A sound file of version 2."""
    path = tmp_path_factory.mktemp("whole") / "model.pt"
    save_model(build(data), path)
    return path.read_bytes()


@pytest.mark.parametrize(("backbone", "head"), PAIRS, ids=map("-".join, PAIRS))
def test_numpy_plays_what_torch_plays(data: EventSequence, tmp_path: Path, backbone: str, head: str) -> None:
    model, path = build(data, backbone, head), tmp_path / "model.pt"
    save_model(model, path)
    player = load_player(path)
    assert isinstance(player.model, StoredModel)
    assert (player.columns, player.features, player.temporal) == (model.columns, model.features, model.temporal)
    of_model = Player(load_model(path))
    for row in data.rows():
        player.observe(row)
        of_model.observe(row)
        assert (player.state.hidden == of_model.state.hidden).all()
    for sampling in SAMPLINGS.values():
        made = generate(player, 40, sampling=sampling, primer=data, seed=5)
        assert made == generate(load_model(path), 40, sampling=sampling, primer=data, seed=5)
        assert len(made) == 40


def test_a_player_stays_as_it_is_where_it_only_says_which_model(data: EventSequence, whole: bytes, tmp_path) -> None:
    (tmp_path / "model.pt").write_bytes(whole)
    player = load_player(tmp_path / "model.pt", seed=3, sampling=SAMPLINGS["shaped"])
    for row in data.rows()[:5]:
        player.observe(row)
    before = player.remember()
    first = generate(player, 20, seed=1)
    assert player.remember() is not None
    assert player.state is before
    assert first == generate(player, 20, seed=1) == generate(load_model(tmp_path / "model.pt"), 20, seed=1)
    fresh = load_player(tmp_path / "model.pt", seed=3, sampling=SAMPLINGS["shaped"])
    fresh.recall(before)
    assert (fresh.sample() == player.sample()).all()  # loading takes no random numbers


def test_a_sampling_that_it_cannot_play_is_refused(whole: bytes, tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(whole)
    with pytest.raises(HachimachiError, match=r"model\.pt: .*pitch"):
        load_player(tmp_path / "model.pt", sampling=Sampling(constraints={"pitch": Constraint.between(900, 901)}))


def test_torch_reads_it_and_so_does_anybody(data: EventSequence, whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(whole)
    state = load_model(path).state_dict()
    for mapped in (False, True):
        content = torch.load(path, weights_only=True, mmap=mapped)
        assert content["version"] == 2
        assert list(content["state_dict"]) == list(state)
        assert all(torch.equal(content["state_dict"][name], state[name]) for name in state)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        tops = {name.partition("/")[0] for name in archive.namelist()}
        [top] = tops  # an entry beside its folder would keep torch from reading it
        index = json.loads(archive.read(f"{top}/{INDEX}"))
        assert set(index["weights"]) | set(index["buffers"]) == set(state)
        assert "encoder.augmented" in index["buffers"]
        for name, described in {**index["weights"], **index["buffers"]}.items():
            info = archive.getinfo(f"{top}/{described['entry']}")
            assert info.compress_type == zipfile.ZIP_STORED
            array = np.frombuffer(archive.read(info), described["dtype"]).reshape(described["shape"])
            assert (array == state[name].numpy()).all()
    stored = read_model(path)
    assert set(stored.grams) == set(KINDS)
    assert all(grams.found(data).all() for grams in stored.grams.values())
    assert (stored.version, stored.summary) == (2, {"config": {"seed": 7}})


def test_the_same_model_gives_the_same_file(data: EventSequence, whole: bytes, tmp_path: Path) -> None:
    save_model(build(data), tmp_path / "another name.pt")
    assert (tmp_path / "another name.pt").read_bytes() == whole


def test_views_and_shared_weights_are_written_as_they_are(data: EventSequence, tmp_path: Path) -> None:
    """As of averaged weights that are views of one long tensor, and of arrays that are equal."""
    model = build(data)
    flat = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    start = 0
    for weight in model.parameters():
        weight.data = flat[start : start + weight.numel()].view(weight.shape)
        start += weight.numel()
    torch.nn.init.zeros_(model.get_parameter("backbone.rnn.bias_hh_l0"))
    torch.nn.init.zeros_(model.get_parameter("backbone.rnn.bias_ih_l0"))
    save_model(model, tmp_path / "model.pt")
    loaded = load_model(tmp_path / "model.pt").state_dict()
    assert all(torch.equal(weight, loaded[name]) for name, weight in model.state_dict().items())
    assert (tmp_path / "model.pt").stat().st_size < 4 * start + 100_000
    assert generate(load_player(tmp_path / "model.pt"), 10) == generate(model, 10)


def test_weights_in_bfloat16_are_kept_as_float32(data: EventSequence, tmp_path: Path) -> None:
    model = build(data).bfloat16()
    save_model(model, tmp_path / "model.pt")
    weights = read_model(tmp_path / "model.pt").weights
    assert all((weights[name] == weight.detach().float().numpy()).all() for name, weight in model.named_parameters())
    load_player(tmp_path / "model.pt")


def altered(whole: bytes, change: Callable[[dict[str, Any]], object], compress: bool = False) -> bytes:
    """Return a file with another index, its other entries as they were."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(target, "w") as archive:
        for info in source.infolist():
            content = source.read(info)
            if info.filename.endswith(INDEX):
                index = json.loads(content)
                changed = change(index)
                content = changed if isinstance(changed, bytes) else json.dumps(index).encode()
            method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
            archive.writestr(info.filename, content, method)
    return target.getvalue()


def refused(path: Path, content: bytes) -> str:
    """Return the one line that says what is wrong, the same with torch and without."""
    path.write_bytes(content)
    lines = []
    for load in (load_player, load_model):
        with pytest.raises(HachimachiError) as caught:
            load(path)
        lines.append(str(caught.value))
        assert lines[-1].startswith(f"{path}: ")
        assert "\n" not in lines[-1]
    assert lines[0] == lines[1]
    return lines[0].removeprefix(f"{path}: ")


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "objects": (lambda index: index["weights"]["bos"].update(dtype="|O"), "is |O"),
    "big-endian": (lambda index: index["weights"]["bos"].update(dtype=">f4"), "is >f4"),
    "a structure": (lambda index: index["weights"]["bos"].update(dtype="f4,O"), "is f4,O"),
    "huge": (lambda index: index["weights"]["bos"].update(shape=[10**12]), "in place of 4,000,000,000,000"),
    "huge beyond numbers": (lambda index: index["weights"]["bos"].update(shape=[10**30, 10**30]), "in place of"),
    "negative": (lambda index: index["weights"]["bos"].update(shape=[-1]), "of shape"),
    "not whole": (lambda index: index["weights"]["bos"].update(shape=[1.5]), "of shape"),
    "no shape": (lambda index: index["weights"]["bos"].pop("shape"), "do not fit"),
    "no such entry": (lambda index: index["weights"]["bos"].update(entry="data/999"), "no item named"),
    "an entry elsewhere": (lambda index: index["weights"]["bos"].update(entry="../../etc/passwd"), "no item named"),
    "torch's own pickle": (lambda index: index["weights"]["bos"].update(entry="data.pkl"), "in place of"),
    "many of one": (
        lambda index: index["buffers"].update({str(i): index["weights"]["head.cross_column"] for i in range(99)}),
        "has 0 bytes in place of",
    ),
    "no weights": (lambda index: index.pop("weights"), "do not fit"),
    "a list of weights": (lambda index: index.update(weights=[]), "do not fit"),
    "grams of floats": (lambda index: index["grams"]["fresh"].update(dtype="<f8"), "grams that are no hashes"),
    "another format": (lambda index: index.update(format="another"), "not a model file; expected one written by"),
    "a later version": (lambda index: index.update(version=3), "a model of version 3, this hxmx reads version 2"),
    "deep": (lambda index: b"[" * 100_000, "do not fit"),  # noqa: ARG005
    "no JSON": (lambda index: b"\xff{", "do not fit"),  # noqa: ARG005
    "not an object": (lambda index: b"3", "do not fit"),  # noqa: ARG005
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_index_that_lies_is_refused_in_one_line(whole: bytes, tmp_path: Path, name: str) -> None:
    change, text = HOSTILE[name]
    assert text in refused(tmp_path / "model.pt", altered(whole, change)).replace("…", "")


@pytest.mark.parametrize("name", ["backbone.rnn.weight_hh_l0", "head.out_proj.1.bias", "head.cross_column"])
def test_weights_that_are_missing_or_of_another_shape(whole: bytes, tmp_path: Path, name: str) -> None:
    def narrow(index: dict[str, Any]) -> None:
        described = index["weights"][name]
        described["shape"] = [*described["shape"][1:], described["shape"][0] // 2, 2]

    for change in (lambda index: index["weights"].pop(name), narrow):
        (tmp_path / "model.pt").write_bytes(altered(whole, change))
        for load in (load_player, load_model):
            with pytest.raises(HachimachiError, match=r"model\.pt: its description and its weights do not fit \("):
                load(tmp_path / "model.pt")


def test_nothing_is_unpacked(whole: bytes, tmp_path: Path) -> None:
    content = altered(whole, lambda index: b" " * 10_000_000 + json.dumps(index).encode(), compress=True)
    assert len(content) < 1_000_000
    assert "is compressed" in refused(tmp_path / "model.pt", content)


SIZES: dict[str, Callable[[dict[str, Any]], object]] = {
    "a wider backbone": lambda spec: spec["parts"]["backbone"].update(size=10**7),
    "a deeper one": lambda spec: spec["parts"]["backbone"].update(layers=10**7),
    "a wider head": lambda spec: spec["parts"]["head"].update(width=10**9),
    "more components": lambda spec: spec["parts"]["head"].update(components=10**9),
    "more categories": lambda spec: spec["columns"][3]["grid"]["categories"].update(values=[*range(10**5)]),
}


@pytest.mark.parametrize("name", SIZES)
def test_a_description_of_something_huge_takes_no_memory(whole: bytes, tmp_path: Path, name: str) -> None:
    (tmp_path / "model.pt").write_bytes(altered(whole, lambda index: SIZES[name](index["spec"])))
    with pytest.raises(HachimachiError, match=r"do not fit \(") as caught:
        load_model(tmp_path / "model.pt")
    assert "\n" not in str(caught.value)


def test_a_huge_window_is_refused(data: EventSequence, tmp_path: Path) -> None:
    save_model(build(data, "transformer"), tmp_path / "model.pt")
    content = altered(
        (tmp_path / "model.pt").read_bytes(), lambda index: index["spec"]["parts"]["backbone"].update(window=10**15)
    )
    (tmp_path / "model.pt").write_bytes(content)
    with pytest.raises(HachimachiError, match=r"do not fit \("):
        load_player(tmp_path / "model.pt")


def test_a_pickle_in_it_is_not_even_looked_into(whole: bytes, tmp_path: Path) -> None:
    sign, path = tmp_path / "ran", tmp_path / "model.pt"
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as source, zipfile.ZipFile(target, "w") as archive:
        for info in source.infolist():
            content = pickle.dumps(Payload(sign)) if info.filename.endswith("data.pkl") else source.read(info)
            archive.writestr(info.filename, content)
    path.write_bytes(target.getvalue())
    assert generate(load_player(path), 5) == generate(load_model(path), 5)
    assert not sign.exists()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_file_plays_or_is_refused_in_one_line(whole: bytes, tmp_path: Path, data: Any) -> None:
    damaged = bytearray(whole)
    # the last tenth holds the index and the directory, where damage does most
    start = data.draw(st.sampled_from([0, len(whole) * 9 // 10]))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(start, len(whole) - 1))] = data.draw(st.integers(0, 255))
    content = bytes(damaged[: data.draw(st.sampled_from([len(whole), len(whole), len(whole) // 2, len(whole) - 1]))])
    (tmp_path / "model.pt").write_bytes(content)
    try:
        player = load_player(tmp_path / "model.pt")
    except HachimachiError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(player.sample()).all()


@pytest.mark.parametrize(("column", "masked"), [(3, True), (4, False)])
def test_columns_that_are_not_observed_as_described_are_refused(
    whole: bytes, tmp_path: Path, column: int, masked: bool
) -> None:
    def change(index: dict[str, Any]) -> None:
        feature = index["spec"]["columns"][column]["feature"]
        assert feature["masked"] != masked
        feature["masked"] = masked

    path = tmp_path / "model.pt"
    path.write_bytes(altered(whole, change))
    for load in (load_player, load_model):
        with pytest.raises(HachimachiError, match="its description and its weights do not fit") as caught:
            load(path)
        assert "\n" not in str(caught.value)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_whatever_the_description_says_there_is_one_message(whole: bytes, tmp_path: Path, data: Any) -> None:
    def change(index: dict[str, Any]) -> None:
        *way, last = data.draw(st.sampled_from([leaf for leaf in leaves(index["spec"]) if leaf]))
        part = index["spec"]
        for key in way:
            part = part[key]
        part[last] = data.draw(st.sampled_from([None, 0, -1, 3, 0.5, "x", [], [0], {}, float("nan"), True]))

    (tmp_path / "model.pt").write_bytes(altered(whole, change))
    try:
        generate(load_player(tmp_path / "model.pt"), 3)
    except HachimachiError as error:
        assert "\n" not in str(error)
