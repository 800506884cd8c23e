"""TensorBoard shows and sounds what a model plays, and training does not notice."""

from __future__ import annotations

import io
import math
import re
import wave
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar.layout_pb2 import Layout  # pyright: ignore[reportAttributeAccessIssue]  # generated
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData  # pyright: ignore[reportAttributeAccessIssue]  # generated

from hachimachi.checkpoint import load_model
from hachimachi.cli import main
from hachimachi.events import EventSequence, Feature
from hachimachi.io import write
from hachimachi.training import callbacks
from hachimachi.training.callbacks import Pictures
from hachimachi.training.config.compose import compose
from hachimachi.training.data import EventDataModule
from hachimachi.training.fit import Run, conclude, train

TINY = ["model.size=8", "head.components=2", "trainer.max_epochs=3", "callbacks.progress=false"]


def go(home: Path, data: list[EventSequence], *words: str, name: str = "run") -> Run:
    write(home / "data.json", data)
    paths = [f"dataset.path='{home}/data.json'", f"output='{home}/{name}.pt'"]
    return train(compose([*TINY, *paths, *words]), home / name)


@pytest.fixture(autouse=True, scope="module")
def without_waiting() -> Any:
    """Draw after every epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(callbacks, "EVERY", 0.0)
        patch.setattr(callbacks, "SHARE", 1e9)
        patch.setattr(callbacks, "LATER", 0.0)
        yield


@pytest.fixture(scope="module")
def notes(tmp_path_factory: pytest.TempPathFactory, make_pieces: Any) -> Run:
    return go(tmp_path_factory.mktemp("notes"), make_pieces([300]))


def log_of(run: Run) -> EventAccumulator:
    log = EventAccumulator(str(run.folder / "tensorboard"), {"images": 0, "audio": 0, "scalars": 0})
    log.Reload()
    return log


def test_shows_what_is_played_by_now_and_at_last(notes: Run) -> None:
    images = log_of(notes).Images("playing")
    assert len(images) == 4  # three epochs, and the best model
    assert [image.step for image in images] == sorted(image.step for image in images)
    for image in images:
        pixels = matplotlib.image.imread(io.BytesIO(image.encoded_image_string))
        assert pixels.shape == (image.height, 600, 3)
        assert pixels.std() > 0.05
    assert len({image.encoded_image_string for image in images}) > 1


def test_sounds_what_is_played_and_once_what_is_real(notes: Run) -> None:
    log = log_of(notes)
    assert [len(log.Audio(f"playing/{name}")) for name in ("generated", "real")] == [4, 1]
    for name in ("generated", "real"):
        sound = log.Audio(f"playing/{name}")[0]
        assert sound.sample_rate == callbacks.RATE
        with wave.open(io.BytesIO(sound.encoded_audio_string)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert callbacks.RATE < len(samples) <= callbacks.RATE * callbacks.SECONDS
        assert np.abs(samples).max() > 10000


def test_scores_stand_beside_hyper_parameters(notes: Run) -> None:
    log = log_of(notes)
    assert notes.playing is not None
    assert notes.playing.copying is not None
    assert log.Scalars("score/nll")[-1].value == pytest.approx(notes.score, abs=1e-4)
    assert log.Scalars("score/gain")[-1].value == pytest.approx(notes.marginal - notes.score, abs=1e-4)
    assert log.Scalars("score/copied")[-1].value == pytest.approx(notes.playing.copying.generated.share)
    ratios = {each.aspect: each.ratio for each in notes.playing.likeness}
    assert {f"likeness/{aspect}" for aspect in ratios} <= set(log.Tags()["scalars"])
    assert log.Scalars("score/likeness")[-1].value == pytest.approx(max(ratios.values()), rel=1e-4)
    as_learned, *_ = notes.playing.by_temperature().values()
    for figure in as_learned:
        if math.isfinite(figure.generated):
            assert log.Scalars(f"score/{figure.name}")[-1].value == pytest.approx(figure.generated, rel=1e-4)
    for condition, played in notes.playing.conditions.items():
        [density] = [figure for figure in played.descriptors if figure.name == "density"]
        assert log.Scalars(f"playing/density, {condition}")[-1].value == pytest.approx(density.generated, rel=1e-4)
        assert log.Scalars("playing/density, real")[-1].value == pytest.approx(density.real, rel=1e-4)
    content = log.PluginTagToContent("hparams")
    begun = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info.hparams
    assert begun["model/size"].number_value == 8
    assert begun["model/name"].string_value == "gru"
    assert begun["optimizer/lr"].number_value > 0
    metrics = HParamsPluginData.FromString(content["_hparams_/experiment"]).experiment.metric_infos
    assert {metric.name.tag for metric in metrics} > {"score/nll", "score/likeness", "score/longest_run"}


def test_how_often_values_occur_is_there_beside_what_is_held_out(notes: Run) -> None:
    log = log_of(notes)
    for column in ("time", "pitch", "velocity", "duration", "instrument"):
        for name in ("generated", "real"):
            assert log.Histograms(f"{column}/{name}")[-1].histogram_value.num > 0


def test_nats_of_each_feature_are_curves(notes: Run) -> None:
    log = log_of(notes)
    for group in ("train", "val", "marginal"):
        curves = {
            name: log.Scalars(f"{group}/{name}") for name in ("time", "pitch", "velocity", "duration", "instrument")
        }
        for place, total in enumerate(log.Scalars(f"{group}/nll")):
            assert sum(curve[place].value for curve in curves.values()) == pytest.approx(total.value, abs=1e-4)
            assert {curve[place].step for curve in curves.values()} == {total.step}


def test_how_training_goes_is_a_curve(notes: Run) -> None:
    log = log_of(notes)
    for name in ("learning_rate", "gradient_norm", "events_per_second"):
        curve = log.Scalars(f"training/{name}")
        assert len(curve) == len(log.Scalars("val/nll"))
        assert all(point.value > 0 for point in curve)


def test_one_chart_holds_what_is_to_be_compared(notes: Run) -> None:
    log = log_of(notes)
    content = log.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    [category] = Layout.FromString(content).category
    charts = {chart.title: list(chart.multiline.tag) for chart in category.chart}
    assert list(charts) == ["total", "time", "pitch", "velocity", "duration", "instrument"]
    for title, patterns in charts.items():
        name = "nll" if title == "total" else title
        shown = [tag for pattern in patterns for tag in log.Tags()["scalars"] if re.match(pattern, tag)]
        assert shown == [f"train/{name}", f"val/{name}", f"marginal/{name}"]


def test_the_log_stays_small(notes: Run) -> None:
    per_picture = sum(file.stat().st_size for file in (notes.folder / "tensorboard").iterdir()) / 4
    assert per_picture < 500_000  # a run of 15 minutes has about a dozen


def test_training_does_not_notice(notes: Run, make_pieces: Any, tmp_path: Path) -> None:
    plain = go(tmp_path, make_pieces([300]), "callbacks.pictures=false", name="plain")
    assert not log_of(plain).Tags()["images"]
    ours, theirs = notes.model.state_dict(), plain.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert plain.score == notes.score


@pytest.mark.parametrize("temporal", [True, False])
def test_other_data_has_traces_and_no_sound(tmp_path: Path, temporal: bool) -> None:
    chance = np.random.default_rng(0)
    data, time = chance.random((120, 2)), np.cumsum(chance.random(120))
    run = go(tmp_path, [EventSequence((Feature("x"), Feature("y")), data, time if temporal else None)])
    tags = log_of(run).Tags()
    assert set(tags["images"]) == {"playing"}
    assert tags["audio"] == []
    assert ("likeness/time" in tags["scalars"]) == temporal
    assert "likeness/x step" in tags["scalars"]


@pytest.mark.parametrize("logger", ["csv", "none"])
def test_other_loggers_show_nothing(tmp_path: Path, make_pieces: Any, logger: str) -> None:
    run = go(tmp_path, make_pieces([60]), f"logger={logger}")
    assert not list(run.folder.rglob("*tfevents*"))


def test_nothing_held_out_still_shows_pictures_and_curves(tmp_path: Path, make_pieces: Any) -> None:
    run = go(tmp_path, make_pieces([100]), "dataset.valid_fraction=0", "trainer.max_steps=3")
    assert len(log_of(run).Images("playing")) == 3
    assert len(log_of(run).Scalars("train/nll")) == 1
    longer = go(
        tmp_path,
        make_pieces([100]),
        "dataset.valid_fraction=0",
        "trainer.max_steps=25",
        "trainer.max_epochs=null",
        "callbacks.pictures=false",
        name="longer",
    )
    assert [point.step for point in log_of(longer).Scalars("training/events_per_second")] == [9, 19, 25]
    assert run.playing is None
    assert "playing" not in run.model.summary


def test_a_diverged_model_is_not_shown(notes: Run) -> None:
    data = EventDataModule(notes.folder.parent / "data.json")
    data.setup()
    shown: list[str] = []
    callback, model = Pictures(data), load_model(notes.path)
    callback.logger = type("Logger", (), {"experiment": property(lambda _: shown.append("a"))})()  # pyright: ignore
    with torch.no_grad():
        model.bos[0] = torch.nan
    callback.show(model)
    assert not shown


def test_the_model_file_tells_how_it_plays(notes: Run) -> None:
    told = notes.model.summary["playing"]
    assert notes.playing is not None
    assert told["sentence"] == notes.playing.sentence()
    assert told["generations"] >= 1
    assert set(told) >= {"collapse", "copying", "descriptors", "likeness", "worst_likeness", "warning"}
    assert notes.verdict is not None
    assert notes.model.summary["verdict"] == {"grade": notes.verdict.grade, "advice": list(notes.verdict.advice)}


def test_it_is_said_and_hxmx_info_says_it_again(notes: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert notes.playing is not None
    assert notes.verdict is not None
    stuck = replace(notes.playing.generated[0], repeats=65)
    lost = replace(notes, playing=replace(notes.playing, generated=(stuck, *notes.playing.generated[1:])))
    for run, warned in ((notes, bool(notes.playing.collapsed)), (lost, True)):
        conclude(Console(soft_wrap=True), compose([]), run)
        said = capsys.readouterr().out
        assert notes.playing.sentence() in " ".join(said.split())
        assert f"Verdict: {notes.verdict.grade}" in said.splitlines()
        assert ("again and again" in said) == warned
        assert max(map(len, [line for line in said.splitlines() if str(run.path.parent) not in line])) <= 80
    with pytest.raises(SystemExit):
        main(["info", str(notes.path)])
    said = capsys.readouterr().out
    assert notes.playing.sentence() in " ".join(said.split())
    assert f"Verdict: {notes.verdict.grade}" in said.splitlines()


def test_what_was_taken_back_is_said_in_plain_words(notes: Run, capsys: pytest.CaptureFixture[str]) -> None:
    some = replace(notes, kept={"time": 0.0, "pitch": 1.0, "velocity": 0.0, "duration": 0.25})
    conclude(Console(soft_wrap=True), compose([]), some)
    said = " ".join(capsys.readouterr().out.split())
    assert "Could not learn when each value of time and velocity comes, only how often" in said
    assert "Of what it learned so much holds for new music, and is kept: duration 25%" in said


def test_pictures_come_ever_more_seldom(notes: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("EVERY", 10.0), ("SHARE", 0.02), ("LATER", 1.5)):
        monkeypatch.setattr(callbacks, name, value)
    clock, drawn = [0.0], []
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    data = EventDataModule(notes.folder.parent / "data.json")
    data.setup()
    callback = Pictures(data)

    def show(_: object) -> None:
        drawn.append(clock[0])
        clock[0] += 0.3  # what it costs

    monkeypatch.setattr(callback, "show", show)
    trainer: Any = type("Trainer", (), {"is_global_zero": True, "loggers": [], "global_step": 1})()
    module: Any = callbacks.EventModule(notes.model)
    callback.on_train_start(trainer, module)
    callback.logger = object()  # pyright: ignore[reportAttributeAccessIssue]
    while clock[0] < 900:
        callback.on_train_epoch_end(trainer, module)
        clock[0] += 0.2
    assert drawn[0] >= 10
    assert all(later - earlier >= 15 for earlier, later in pairwise(drawn))
    assert len(drawn) <= 12
