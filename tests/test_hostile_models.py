"""Models of earlier versions, which PyTorch reads: what is made to harm is refused, and nothing of it runs."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hachimachi.checkpoint import load_player, read_model, read_summary
from hachimachi.errors import HachimachiError

STORED = Path(__file__).parent / "stored"
OLD = ("gru_mixture.pt", "gru_autoregressive.ckpt")


def archive(path: Path, **changed: bytes | None) -> dict[str, bytes]:
    """Return the entries of an archive, some of them changed or left out."""
    with zipfile.ZipFile(path) as source:
        entries = {name.partition("/")[2]: source.read(name) for name in source.namelist()}
    entries |= {name: content for name, content in changed.items() if content is not None}
    return {name: content for name, content in entries.items() if changed.get(name, b"") is not None}


def pack(entries: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as made:
        for name, content in entries.items():
            made.writestr(f"model/{name}", content)
    return target.getvalue()


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    began = time.process_time()
    messages = []
    for read in (read_model, read_summary, load_player):
        with pytest.raises(HachimachiError) as caught:
            read(path)
        messages.append(str(caught.value))
    assert time.process_time() - began < 2
    assert not any("\n" in message for message in messages)
    return messages[0]


class Counted:
    """Calls a function of a module that counts itself, when it is unpickled."""

    def __init__(self, module: str) -> None:
        self.module = module

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return sys.modules[self.module].touch, ()


@pytest.fixture
def touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """A module that is imported, and the file in which it counts: imported anew, or called."""
    name, log = "bait_of_pickles", tmp_path / "log.txt"
    note = f"def note(what):\n    with open({str(log)!r}, 'a') as file:\n        file.write(what)\n"
    (tmp_path / f"{name}.py").write_text(f"{note}note('i')\ndef touch():\n    note('c')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module(name)
    yield name, log
    sys.modules.pop(name, None)


@pytest.mark.parametrize("name", OLD)
def test_no_pickle_imports_or_calls_anything(tmp_path: Path, touched: tuple[str, Path], name: str) -> None:
    module, log = touched
    payloads = [pickle.dumps(Counted(module), protocol) for protocol in (0, 2, 5)]
    sys.modules.pop(module)
    log.unlink()  # from here on it would say what was touched
    path = tmp_path / f"x{Path(name).suffix}"
    plain = archive(STORED / name)
    for payload in payloads:
        for entry in ("data.pkl", "data/0", "other.pkl", "hachimachi.json", "constants.pkl"):
            path.write_bytes(pack({**plain, entry: payload}))
            for read in (read_model, read_summary, load_player):
                try:
                    read(path)
                except HachimachiError as error:
                    assert "\n" not in str(error)
        for content in (payload, payload + b"x" * 100, b"PK\3\4" + payload):
            refused(path, content)
    assert not log.exists()
    assert module not in sys.modules
    pickle.loads(payloads[0])  # the bait works
    assert log.read_text() == "ic"


@pytest.mark.parametrize("name", OLD)
def test_what_is_compressed_or_larger_than_the_file_is_not_unpacked(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.pt"
    bomb = pack({**archive(STORED / name), "data/9": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1_000_000
    assert "compressed, or larger" in refused(path, bomb)
    huge = bytearray(pack(archive(STORED / name)))
    at = huge.rindex(b"PK\1\2")  # the last entry claims to have 3 GB
    huge[at + 24 : at + 28] = (3 * 2**30).to_bytes(4, "little")
    refused(path, bytes(huge))


def test_paths_in_the_archive_lead_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    entries = archive(STORED / OLD[0])
    path = folder / "x.pt"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as made:
        for top in ("../..", "/etc", "model", "model/../../.."):
            for name, content in entries.items():
                made.writestr(f"{top}/{name}", content)
    path.write_bytes(target.getvalue())
    for read in (read_model, load_player):
        try:
            read(path)
        except HachimachiError as error:
            assert "\n" not in str(error)
    assert [each.name for each in tmp_path.iterdir()] == ["inner"]
    assert [each.name for each in folder.iterdir()] == ["x.pt"]


CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "views without end": lambda state: state.update({next(iter(state)): torch.zeros(1).expand(10**9)}),
    "weights that are no numbers": lambda state: state.update({next(iter(state)): torch.tensor(np.nan)}),
    "NaN": lambda state: [value.fill_(np.nan) for value in state.values() if value.is_floating_point()],
    "infinity": lambda state: [value.fill_(np.inf) for value in state.values() if value.is_floating_point()],
    "another type": lambda state: state.update({name: value.to(torch.complex64) for name, value in state.items()}),
    "whole numbers": lambda state: state.update({name: value.to(torch.int8) for name, value in state.items()}),
    "another shape": lambda state: state.update({name: value[..., None] for name, value in state.items()}),
    "none": lambda state: state.clear(),
    "texts": lambda state: state.update(dict.fromkeys(state, "text")),
    "sparse": lambda state: state.update({name: value.to_sparse() for name, value in state.items()}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_weights_that_are_no_weights(tmp_path: Path, name: str) -> None:
    content = torch.load(STORED / OLD[0], weights_only=True)
    CHANGES[name](content["state_dict"])
    path = tmp_path / "x.pt"
    torch.save(content, path)
    with pytest.raises(HachimachiError) as caught:
        load_player(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("name", OLD)
def test_archives_cut_anywhere(tmp_path: Path, name: str) -> None:
    data, path = (STORED / name).read_bytes(), tmp_path / "x.pt"
    for end in [*range(0, len(data), len(data) // 150), *range(len(data) - 60, len(data))]:
        path.write_bytes(data[:end])
        with pytest.raises(HachimachiError) as caught:
            read_model(path)
        assert "\n" not in str(caught.value)
    assert os.listdir(tmp_path) == ["x.pt"]  # noqa: PTH208


def test_a_number_in_place_of_the_strides_of_a_tensor_is_refused(tmp_path: Path) -> None:
    """PyTorch ends in a TypeError of many lines. Found by coverage-guided fuzzing."""
    entries = archive(STORED / OLD[0])
    strides = entries["data.pkl"].index(b"\x86", entries["data.pkl"].index(b"_rebuild_tensor_v2"))
    made = b"G" + b"\x40" + bytes(7)  # 2.0 in place of a tuple, above what was pushed for one
    for at in range(strides, strides + 60):
        changed = entries["data.pkl"][:at] + made + entries["data.pkl"][at + 1 :]
        refused(tmp_path / "x.pt", pack(entries | {"data.pkl": changed}))
