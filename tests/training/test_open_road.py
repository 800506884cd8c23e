"""Lightning's and torch's own parts, by Hydra: arguments of the trainer, classes; none of them from a model file."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger
from omegaconf import DictConfig, OmegaConf

from hachimachi import io
from hachimachi.checkpoint import save_model
from hachimachi.cli import main
from hachimachi.errors import HachimachiError
from hachimachi.models.event_model import build_model
from hachimachi.training.config.compose import ConfigError, check, check_words, compose, start_from
from hachimachi.training.config.groups import find_conf
from hachimachi.training.config.overrides import list_all_options, parse
from hachimachi.training.config.targets import build_section, build_trainer_options, list_more
from hachimachi.training.fit import train
from hachimachi.training.runs import read_runs
from tests.training.test_run import QUIET, TINY, go

MONITOR = "+callbacks.mine={_target_: lightning.pytorch.callbacks.DeviceStatsMonitor}"
LOGGER = "+logger.mine={_target_: lightning.pytorch.loggers.CSVLogger, save_dir: logs, name: '', version: mine}"
RADAM = ("+optimizer._target_=torch.optim.RAdam", "+optimizer.betas=[0.9,0.95]", "optimizer.lr=1e-3")
SPY = '''
import json, lightning as L
from pathlib import Path
class Spy(L.Callback):
    """Writes down what it saw of a run."""
    def __init__(self, path: str = "spy.json", also: int = 0) -> None:
        self.path, self.batches, self.validations = path, 0, 0
    def on_train_batch_end(self, *_):
        self.batches += 1
    def on_validation_end(self, *_):
        self.validations += 1
    def on_fit_end(self, trainer, module):
        [optimizer] = trainer.optimizers
        keys = ("weight_decay", "betas", "initial_lr")
        groups = [{key: group[key] for key in keys} for group in optimizer.param_groups]
        seen = {"optimizer": type(optimizer).__name__, "groups": groups, "accumulate": trainer.accumulate_grad_batches}
        seen |= {"batches": self.batches, "validations": self.validations, "steps": trainer.global_step}
        Path(self.path).write_text(json.dumps(seen))
class Other: ...
'''


@pytest.fixture(autouse=True)
def spy(folder: Path) -> Iterator[None]:
    """A module of one's own in the working directory."""
    (folder / "road_spy.py").write_text(SPY)
    path = sys.path.copy()
    yield
    sys.path[:] = path
    sys.modules.pop("road_spy", None)


@pytest.fixture(scope="module")
def defaults() -> Any:
    """The config where nothing is said."""
    return OmegaConf.to_container(compose())


def hxmx_train(*words: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(["train", *words])
    return int(done.value.code or 0)


def test_the_lines_as_they_are_typed(save: Callable[..., None], folder: Path) -> None:
    pytest.importorskip("psutil", reason="DeviceStatsMonitor needs it on a CPU")
    save(200)
    words = [
        *TINY,
        *QUIET,
        "trainer.max_steps=3",
        "dataset.window=8",
        "dataset.batch_size=2",
        "+trainer.log_every_n_steps=1",
    ]
    words += [
        "+trainer.accumulate_grad_batches=4",
        "+trainer.limit_train_batches=10",
        "+trainer.val_check_interval=0.5",
    ]
    words += MONITOR.split(" ")  # as a shell cuts it
    words += ["+callbacks.spy._target_=road_spy.Spy", LOGGER, *RADAM, "tags=[a,b]"]
    assert hxmx_train("data.json", "model.pt", *words) == 0
    seen = json.loads((folder / "spy.json").read_text())
    assert (seen["optimizer"], seen["accumulate"]) == ("RAdam", 4)
    assert seen["groups"] == [
        {"weight_decay": decay, "betas": [0.9, 0.95], "initial_lr": 1e-3} for decay in (0.05, 0.0)
    ]
    # ten batches make 4 + 4 + 2, and half of an epoch's 12 or so is 6
    assert (seen["batches"], seen["steps"]) == (10, 3)
    assert seen["validations"] >= 1
    [run] = folder.glob("outputs/train/*")
    kept = OmegaConf.load(run / "config.yaml")
    assert OmegaConf.select(kept, "tags") == ["a", "b"]
    assert OmegaConf.select(kept, "callbacks.mine._target_").endswith("DeviceStatsMonitor")
    logged = (folder / "logs" / "mine" / "metrics.csv").read_text()
    assert "DeviceStatsMonitor" in logged
    assert "score/nll" in logged
    assert "RAdam" in (folder / "logs" / "mine" / "hparams.yaml").read_text()


def test_fast_dev_run(save: Callable[..., None], capsys: pytest.CaptureFixture[str]) -> None:
    save(60)
    words = [*TINY, "callbacks.pictures=false", "+trainer.fast_dev_run=true", "+callbacks.spy._target_=road_spy.Spy"]
    assert hxmx_train("data.json", "model.pt", *words) == 0
    assert json.loads(Path("spy.json").read_text())["batches"] == 1
    said = capsys.readouterr().out
    assert "Learns for 1 epoch or 1 step at most" in said
    assert "hxmx board" not in said  # there are no curves


def test_from_a_folder_of_ones_own_and_from_python(save: Callable[..., None], folder: Path) -> None:
    save(60)
    (folder / "conf" / "callbacks").mkdir(parents=True)
    (folder / "conf" / "callbacks" / "mine.yaml").write_text("spy: {_target_: road_spy.Spy}\npictures: false\n")
    words = [
        *TINY,
        "trainer.max_steps=1",
        "logger=none",
        "callbacks=mine",
        "+callbacks.progress=false",
        "+callbacks.off=null",
    ]
    _, cfg = check_words(words, config_dir=folder / "conf")
    assert (cfg.callbacks.patience, cfg.callbacks.pictures, cfg.callbacks.progress) == (30, False, False)

    _, both = check_words(["callbacks=[default,mine]", "callbacks.pictures=true"], config_dir=folder / "conf")
    assert (both.callbacks.pictures, list(list_more(both, "callbacks"))) == (True, ["spy"])

    class Counter(L.Callback):
        steps = 0

        def on_train_batch_end(self, *_: Any, **__: Any) -> None:
            self.steps += 1

    counter, logger = Counter(), CSVLogger(folder, name="", version="mine")
    run = train(cfg, "run", callbacks=[counter], loggers=[logger])
    assert counter.steps == json.loads(Path("spy.json").read_text())["batches"] == 1
    assert f"{run.score:.3f}"[:-1] in (folder / "mine" / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["+trainer.acumulate_grad_batches=4"], "no such key; did you mean trainer.accumulate_grad_batches?"),
        (["trainer.acumulate_grad_batches=4"], "did you mean trainer.accumulate_grad_batches?"),
        (["+trainer.limit_train_batch=10"], "did you mean trainer.limit_train_batches?"),
        (["+trainer.val_check_intervall=0.5"], "did you mean trainer.val_check_interval?"),
        (["+trainer.fast_devrun=true"], "did you mean trainer.fast_dev_run?"),
        (["+trainer.max_epoch=3"], "trainer.max_epoch: no such key; did you mean trainer.max_epochs?"),
        (["+trainer.zzz=3"], "trainer.zzz: no such key; trainer has accelerator, devices"),
        (["+trainer.accumulate_grad_batches=many"], "found 'many', expected a whole number from 1"),
        (["+trainer.accumulate_grad_batches=0"], "found 0, expected a whole number from 1"),
        (["+trainer.limit_train_batches=ten"], "found 'ten', expected a whole number or a number or null"),
        (["+trainer.fast_dev_run=yes_please"], "found 'yes_please', expected a whole number or true or false"),
        (["+trainer.logger=false"], "trainer.logger: the run's own; +logger.mine={_target_: …} adds one"),
        (["+trainer.callbacks=[]"], "trainer.callbacks: the run's own; +callbacks.mine="),
        (["+trainer.default_root_dir=here"], "trainer.default_root_dir: the run's own; hydra.run.dir=…"),
        (["+trainer.enable_checkpointing=false"], "trainer.enable_checkpointing: the run's own; +callbacks.mine="),
        (["+trainer.loggers=false"], "trainer.loggers: trainer.logger is the run's own"),
        (
            ["trainer.profiler={_target_: lightning.pytorch.profilers.PyTorchProfilr}"],
            "did you mean lightning.pytorch.profilers.PyTorchProfiler?",
        ),
        ([MONITOR.replace("Monitor", "Monitr")], "did you mean lightning.pytorch.callbacks.DeviceStatsMonitor?"),
        (
            [MONITOR.replace("lightning.", "ligthning.")],
            "found 'ligthning.pytorch.callbacks.DeviceStatsMonitor', expected package.Class (ModuleNotFoundError: ",
        ),
        (
            [MONITOR.replace("_target_", "_traget_")],
            "callbacks.mine: found _traget_, expected {_target_: package.Class, …}",
        ),
        (
            [MONITOR, "+callbacks.mine.cpu_stat=true"],
            "DeviceStatsMonitor has no such argument; did you mean callbacks.mine.cpu_stats?",
        ),
        (
            [MONITOR, "+callbacks.mine.cpu_stats=perhaps"],
            "callbacks.mine.cpu_stats: found 'perhaps', expected true or false or null",
        ),
        (
            ["+callbacks.mine={_target_: torch.optim.RAdam}"],
            "torch.optim.RAdam is no lightning.pytorch.callbacks.Callback",
        ),
        (["+callbacks.mine={_target_: 3}"], "callbacks.mine._target_: found 3, expected package.Class"),
        (["+callbacks.mine={_target_: math.pi}"], "math.pi is no class"),
        (
            ["+callbacks.mine={_target_: lightning.pytorch.callbacks.EarlyStopping}"],
            "EarlyStopping needs monitor; expected callbacks.mine.monitor=…",
        ),
        (["+callbacks.patiense=3"], "callbacks.patiense: no such key; did you mean callbacks.patience?"),
        (
            ["callbacks.zzz=3"],
            "has patience, min_delta, progress, pictures, and names of your own, +callbacks.mine={_target_: …}",
        ),
        ([LOGGER.replace("CSVLogger", "CVSLogger")], "did you mean lightning.pytorch.loggers.CSVLogger?"),
        ([LOGGER.replace("save_dir", "savedir")], "did you mean logger.mine.save_dir?"),
        (["+logger.mine={_target_: road_spy.Other}"], "road_spy.Other is no lightning.pytorch.loggers.Logger"),
        (
            ["+optimizer._target_=torch.optim.RAdm"],
            "optimizer._target_: torch.optim has no RAdm; did you mean torch.optim.RAdam?",
        ),
        (
            [RADAM[0], "+optimizer.beta=[0.9,0.95]"],
            "optimizer.beta: torch.optim.RAdam has no such argument; did you mean optimizer.betas?",
        ),
        (
            ["+optimizer.betas=[0.9,0.95]"],
            "average; arguments of another optimizer come with its class, +optimizer._target_=",
        ),
        (["+optimizer._traget_=torch.optim.RAdam"], "did you mean optimizer._target_?"),
        (["+optimizer.schedul=cosine"], "did you mean optimizer.schedule?"),
        ([*RADAM[:2], "optimizer.learning_rate=3"], "torch.optim.RAdam has no such argument; it takes betas, eps"),
        (["model.lr=1e-3"], "model.lr: no such key; did you mean optimizer.lr?"),
        (["tags=baseline"], "tags: found 'baseline', expected a list of words, such as [baseline,evening]"),
        (["tag=[a]"], "tag: no such key; did you mean tags?"),
        (["test=maybe"], "test: found 'maybe', expected true or false"),
    ],
)
def test_what_is_misspelt_is_one_line_with_the_nearest(defaults: Any, words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:  # composing anew for each would take most of the time
        overrides = parse(words, list_all_options(find_conf()))
        cfg = OmegaConf.create(defaults)
        assert isinstance(cfg, DictConfig)
        for override in overrides:
            OmegaConf.update(cfg, override.key_or_group, override.value(), force_add=True)
        check(cfg)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_misspelt_line_ends_with_2_before_anything_is_read(capsys: pytest.CaptureFixture[str]) -> None:
    Path("data.json").write_text("no data at all")
    assert hxmx_train("data.json", "model.pt", "+trainer.acumulate_grad_batches=4") == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not Path("outputs").exists()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("+trainer.limit_train_batches=-3", "trainer: Lightning does not take this: .*-3"),
        ("+callbacks.mine={_target_: lightning.pytorch.callbacks.LearningRateMonitor}", "Lightning: .*logger"),
        ("+optimizer._target_=torch.optim.LBFGS", "optimizer: torch.optim.LBFGS: .*per-parameter options"),
    ],
)
def test_what_lightning_or_torch_refuses_is_one_line(save: Callable[..., None], word: str, said: str) -> None:
    save(60)
    with pytest.raises(HachimachiError, match=said) as caught:
        go(word, "trainer.max_steps=1")
    assert "\n" not in str(caught.value)


def test_a_class_that_refuses_its_arguments_is_one_line() -> None:
    cfg = compose(["+callbacks.mine={_target_: lightning.pytorch.callbacks.Timer, interval: year}"])
    with pytest.raises(HachimachiError, match=r"callbacks\.mine: .*year") as caught:
        build_section(cfg, "callbacks", L.Callback)
    assert "\n" not in str(caught.value)


def test_arguments_of_the_trainer_are_built_where_they_are_classes() -> None:
    words = ["trainer.profiler={_target_: lightning.pytorch.profilers.AdvancedProfiler, line_count_restriction: 2.0}"]
    words += [
        "trainer.strategy={_target_: lightning.pytorch.strategies.SingleDeviceStrategy}",
        "+trainer.max_time={minutes: 5}",
    ]
    options = build_trainer_options(compose(words))
    assert (type(options["profiler"]).__name__, options["max_time"]) == ("AdvancedProfiler", {"minutes": 5})
    assert type(options["strategy"]).__name__ == "SingleDeviceStrategy"


def test_a_sweep_over_them_is_checked() -> None:
    passed, _ = check_words(["+trainer.accumulate_grad_batches=1,4", "optimizer.lr=1e-3,1e-2"], multirun=True)
    assert passed[0] == "+trainer.accumulate_grad_batches=1,4"
    with pytest.raises(ConfigError, match="found 0"):
        check_words(["trainer.accumulate_grad_batches=1,0"], multirun=True)


def test_none_is_taken_from_a_model_file(make_pieces: Any) -> None:
    spy = "+callbacks.spy={_target_: road_spy.Spy}"
    words = ["+trainer.gradient_clip_algorithm=norm", *RADAM, spy, "tags=[a]", "dataset.path='\\${odd}.json'"]
    stored: Any = OmegaConf.to_container(compose(words))
    stored["plugins"] = ["evil"]
    stored["trainer"] |= {"profiler": {"_target_": "evil.Profiler"}, "plugins": [{"_target_": "evil.Plugin"}]}
    stored["augment"]["ops"] = "${oc.create:{_target_: evil.Op}}"  # as text it would become a class
    stored["logger"]["mine"] = "${oc.decode:'{_target_: evil.Logger}'}"
    Path("evil.py").write_text("raise SystemExit('ran')")
    model = build_model(make_pieces([30]), {"name": "gru", "size": 2})
    model.summary = {"config": stored}
    save_model(model, "model.pt")

    words, lines = start_from(Path("model.pt"), [])
    _, cfg = check_words(words)
    assert list_more(cfg, "callbacks") == list_more(cfg, "optimizer") == list_more(cfg, "logger") == {}
    assert list_more(cfg, "trainer") == {"gradient_clip_algorithm": "norm"}
    assert (cfg.trainer.profiler, cfg.augment.ops, cfg.plugins) == (None, None, [])
    assert (cfg.optimizer.lr, cfg.tags, cfg.dataset.path) == (1e-3, ["a"], "${odd}.json")
    said = " ".join(lines)
    assert "Left out, for a model file brings in no code; name what you trust yourself: " in said
    for left in (
        *("optimizer._target_ (torch.optim.RAdam)", "optimizer.betas", "callbacks.spy (road_spy.Spy)"),
        *("trainer.profiler (evil.Profiler)", "trainer.plugins", "augment.ops", "logger.mine", "plugins (evil)"),
    ):
        assert left in said
    again, _ = start_from(Path("model.pt"), [spy])
    assert list(list_more(check_words(again)[1], "callbacks")) == ["spy"]


def test_the_test_part_is_scored_at_the_end(folder: Path, make_pieces: Any, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pandas")
    (folder / "pieces").mkdir()
    for i, piece in enumerate(make_pieces([70, 33, 41, 30])):
        io.write(folder / "pieces" / f"{i}.json", piece)
    parts = {"train": ["0.json", "1.json"], "valid": ["2.json"], "test": ["3.json"]}
    (folder / "split.json").write_text(json.dumps(parts))
    words = ["head.components=2", "logger=none", "dataset.path=pieces", "dataset.split=split.json", "test=true"]
    run = train(compose([*words, "trainer.max_minutes=0.002", "callbacks.pictures=false"]), "run")
    scored = run.model.summary["test"]
    assert scored["nats_per_event"] == run.test
    assert scored["events"] == 29
    assert f"{run.test:.2f} nats per event on the test part" in capsys.readouterr().out
    [row] = read_runs("run").to_dict("records")
    assert row["score/test"] == run.test
    assert (row["weights"], row["events"]) == (sum(each.numel() for each in run.model.parameters()), 103)
    assert row["seconds"] > 0
    decided = {"model.size": 128, "model.layers": 1, "dataset.window": 64, "trainer.check_val_every_n_epoch": 40}
    assert {key: row[key] for key in [*decided, "trainer.max_minutes"]} == decided | {"trainer.max_minutes": 0.002}
    assert decided.items() <= run.model.summary["decided"].items()
    assert run.model.summary["config"]["model"]["size"] == "auto"


def test_a_test_part_that_is_not_there_is_told_before_learning(save: Callable[..., None]) -> None:
    save(60)
    with pytest.raises(HachimachiError, match="no test part: there is no split"):
        go("test=true")
    assert not Path("model.pt").exists()
