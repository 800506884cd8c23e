"""`hxmx devices` names what is there, and in words that `hxmx train` takes."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest
import torch

from hachimachi.cli import main
from hachimachi.errors import HachimachiError
from hachimachi.live.midi import ports
from hachimachi.training.config.compose import compose


def devices(capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as caught:
        main(["devices"])
    assert caught.value.code == 0
    return capsys.readouterr().out


def test_lists_the_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    printed = devices(capsys)
    assert f"PyTorch {torch.__version__}" in printed
    assert "fastest on the CPU" in printed
    assert re.search(r"^cpu .*\d+ threads? +trainer\.accelerator=cpu", printed, re.MULTILINE)
    assert max(map(len, printed.splitlines())) <= 80


def test_lists_gpus_in_words_for_train(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    gpu = SimpleNamespace(name="NVIDIA GeForce RTX 4090", total_memory=24 * 2**30)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: gpu)  # noqa: ARG005
    printed = devices(capsys)
    assert printed.count("24 GiB") == 2
    words = re.findall(r"trainer\.\S+", printed)
    assert len(words) == 4
    for word in words:
        compose([word])
    assert max(map(len, printed.splitlines())) <= 80


def test_lists_midi_ports_with_their_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ports, "port_names", lambda: {"in": ["Keystation 49"], "out": ["A synthesizer" * 8]})
    printed = devices(capsys)
    assert re.search(r"^Keystation 49 +--midi-in *$", printed, re.MULTILINE)
    assert printed.count("--midi-out") == 1
    assert max(map(len, printed.splitlines())) <= 80


def test_without_midi_it_says_why_and_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise HachimachiError("python-rtmidi is missing")

    monkeypatch.setattr(ports, "port_names", fail)
    assert "\nNo MIDI ports: python-rtmidi is missing.\n" in devices(capsys)
    monkeypatch.setattr(ports, "port_names", lambda: {"in": [], "out": []})
    assert "\nNo MIDI ports: nothing is connected.\n" in devices(capsys)
