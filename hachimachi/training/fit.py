"""One training run, from a config to a model file."""

from __future__ import annotations

import json
import math
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf
from rich.console import Console

from hachimachi import plugins
from hachimachi.checkpoint import load_model, save_model
from hachimachi.console import column_table, make_console, print_filled, show_reading
from hachimachi.errors import HachimachiError, count, expect
from hachimachi.evaluation.likelihood import Evaluation, evaluate
from hachimachi.evaluation.playing import PlayReport, cut_primers, evaluate_playing, play_briefly
from hachimachi.evaluation.verdict import GRADES, Verdict, judge
from hachimachi.io.collection import Collection
from hachimachi.models.backbones import explain_size
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.training import runs
from hachimachi.training.callbacks import Baseline, KeepBest, Pictures, TrainingProgress
from hachimachi.training.config.compose import check, compose, resolve_defaults
from hachimachi.training.config.overrides import plain, quote
from hachimachi.training.config.schema import name_of
from hachimachi.training.config.targets import build_optimizer, build_section
from hachimachi.training.data import SCORED, EventDataModule
from hachimachi.training.distributed import is_first
from hachimachi.training.fine_tuning import CLEAR, Start, choose_start
from hachimachi.training.holdout import sample
from hachimachi.training.interruption import ResumeState, StopGracefully, check_checkpoint
from hachimachi.training.limits import LearningRateSchedule, Limits, ValidationInterval
from hachimachi.training.module import EventModule
from hachimachi.training.shrinkage import shrink
from hachimachi.training.sweep.results import Score
from hachimachi.training.trainer import compiles, fit, make_loggers, make_trainer, quiet
from hachimachi.training.window_augmentation import WindowAugmentation

SMALL = 50  # under this many events a model can learn little, which a line says
TRANSPOSE = 6  # semitones either way
INTERVALS = 24  # semitones from the previous pitch, up and down, that are told apart where pitches make melodies
REPEATED_RATE = 2e-3  # learning rate of fine-tuning on what repeats itself, of which more is to be learned by heart
LATE = 0.9  # share of a run's steps after which the best model shows that it was still getting better


@dataclass(frozen=True)
class Run:
    """The result of a training run.

    ``score`` and ``marginal`` are held-out nats per event of the model in the file and of the marginal baseline, and
    ``gain_stderr`` the standard error of their difference; ``test`` is that of the split's test part. They are NaN
    where there are none. ``interrupted`` is what ended it early, Ctrl-C or SIGTERM, or nothing; ``kept`` the share kept
    of what was learned of each column, where columns can be taken back to their marginals; ``weights`` the
    numbers in the model; ``diverged`` whether training diverged after the best model.
    """

    path: Path
    folder: Path
    score: float = math.nan
    marginal: float = math.nan
    interrupted: str = ""
    playing: PlayReport | None = None
    verdict: Verdict | None = None
    kept: dict[str, float] = field(default_factory=dict)
    test: float = math.nan
    weights: int = 0
    events: int = 0
    seconds: float = 0.0
    diverged: bool = False
    gain_stderr: float = math.nan

    @property
    def unclear(self) -> bool:
        """Whether what was held out does not tell that the model is better than the marginal baseline."""
        return math.isfinite(self.score) and not self.marginal - self.score > CLEAR * self.gain_stderr

    @property
    def result(self) -> Score:
        """What is left in ``score.json``."""
        score = Score(self.score, self.marginal, round(self.seconds, 1), stopped=self.interrupted or None)
        return replace(score, test_nll=self.test, weights=self.weights, events=self.events)

    @property
    def model(self) -> EventModel:
        """The best model, read from its file."""
        return load_model(self.path)


def train(
    cfg: DictConfig,
    folder: str | Path | None = None,
    callbacks: Sequence[L.Callback] = (),
    loggers: Sequence[Logger] = (),
    start: Start | None = None,
) -> Run:
    """Train what a config describes, as :func:`~hachimachi.training.config.compose.compose` returns it.

    Args:
        folder: Where config, logs and checkpoints go; by default that of the run gone on with, or a new one under
            ``outputs/train/``.
        callbacks: Called in training besides the run's own and those that the config names.
        loggers: Take curves, config and scores besides the run's own and those that the config names.
        start: What it begins with, in place of what the config says.

    Raises `HachimachiError`: data that cannot be read or learned from, a checkpoint that does not fit, or training that
    diverged before there was a model to keep.
    """
    began = time.monotonic()
    expect(isinstance(cfg, DictConfig), "config", cfg, "what compose([…]) returns")
    cfg = check(cfg)  # keys may have been set since it was composed
    if cfg.trainer.accelerator == "cuda" and not torch.cuda.is_available():
        raise HachimachiError("trainer.accelerator=cuda: not on this machine; `hxmx devices` lists what is")
    if cfg.ckpt_path:
        checkpoint, resumed = runs.find_checkpoint(cfg.ckpt_path)
        cfg.ckpt_path, folder = plain(str(checkpoint)), folder or resumed
    folder = Path(folder or runs.RUNS / datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f"))
    console = make_console(quiet=not cfg.callbacks.progress or not is_first())

    feature = {name_of(str(name)): _given(options) for name, options in cfg.feature.items()}
    options = {str(key): value for key, value in cfg.dataset.items() if key != "hear_masked"}
    data = EventDataModule(**options, seed=cfg.seed, feature=feature)
    if cfg.callbacks.progress and is_first():
        data.progress = show_reading
    data.setup()
    test = data.test if cfg.test else None  # before anything is learned: there may be none
    start = start or choose_start(cfg, data)
    learn = partial(_learn, data=data, test=test, console=console, callbacks=callbacks, loggers=loggers)
    run, decided = learn(cfg, start, folder)
    if start.chosen and not run.interrupted and run.unclear:
        found = f"{run.score:.2f} nats per event, not clearly below the marginal baseline of {run.marginal:.2f}"
        print_filled(console, f"{found}: learns from scratch too, and the better stays")
        scratch = OmegaConf.merge(cfg, {"output": str(folder / "scratch.pt")})
        other, its_config = learn(scratch, Start(), folder / runs.SCRATCH)
        if other.score < run.score:
            run, decided = replace(other, path=other.path.replace(cfg.output), folder=folder), its_config
    run = replace(run, seconds=time.monotonic() - began)
    if is_first():
        run.result.write(folder)
    conclude(console, decided, run)
    return run


def fine_tune(model: str | Path, data: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Train a model further on other data, by the recipe for that: ``hxmx train DATA init=MODEL``.

    Args:
        model: A model file, or the name of a base model: piano, drums or ensemble.
        data: The data set.
        overrides: As of :func:`~hachimachi.training.config.compose.compose`.
    """
    for what, path in {"model": model, "data": data}.items():
        expect(isinstance(path, str | Path), what, path, "the path of a file, or the name of a base model")
    return train(compose([f"init={quote(str(model))}", f"dataset.path={quote(str(data))}", *overrides]))


def _learn(
    composed: Any,
    start: Start,
    folder: Path,
    *,
    data: EventDataModule,
    test: Collection | None,
    console: Console,
    callbacks: Sequence[L.Callback],
    loggers: Sequence[Logger],
) -> tuple[Run, DictConfig]:
    """Train and score one model that begins with a base, or with nothing; return what was decided for it too."""
    data.fine_tuned = start.base is not None
    limits = Limits.of(composed, data)
    cfg = _decide(composed, data, limits, start)
    summary = _summarize(composed, cfg, data) | ({"init": start.lineage} if start.base else {})
    with quiet():
        augmentation = data.decide_augmentation(**_given(cfg.augment, without="name"))
        schedule = LearningRateSchedule(cfg.optimizer.schedule, cfg.optimizer.warmup, limits)
        module = _build_module(cfg, data, augmentation, schedule, start)
        module.played.summary = summary  # which a checkpoint has too
        done = check_checkpoint(cfg.ckpt_path, module.played, limits.epochs) if cfg.ckpt_path else 0
        if is_first():  # not before it is known that a run can go on in its folder
            folder.mkdir(parents=True, exist_ok=True)
            OmegaConf.save(cfg, folder / "config.yaml", resolve=True)
            origin = {key: summary[key] for key in ("data", "versions", "platform", "git", "date")}
            origin["data"] = {key: value for key, value in origin["data"].items() if key != "openings"}
            (folder / "origin.json").write_text(json.dumps(origin, indent=2) + "\n", encoding="utf-8")
        introduce(console, composed, data, module.model, limits, augmentation, start.line)

        keep, stop, pictures = KeepBest(Path(cfg.output), summary), StopGracefully(limits.minutes), Pictures(data)
        marginals = data.marginals() if data.valid else {}
        progress = TrainingProgress(sum(marginals.values()) if marginals else math.nan, keep, limits, console)
        inner = [ResumeState(data), stop, schedule, *([Baseline(marginals)] if marginals else []), keep, progress]
        inner += [pictures] if cfg.callbacks.pictures else []
        callbacks = [*inner, *build_section(cfg, "callbacks", L.Callback), *callbacks]

        loggers = [*build_section(cfg, "logger", Logger), *loggers]
        for logger in loggers:
            logger.log_hyperparams(_given(cfg))

        trainer = make_trainer(cfg, data, limits, callbacks, [*make_loggers(cfg, folder, done), *loggers], folder)
        ended = fit(trainer, module, data, cfg.ckpt_path)
        for line in augmentation.lines():
            console.print(line)
        if keep.diverged and math.isnan(keep.best):
            advice = f"try optimizer.lr below {cfg.optimizer.lr:g}, or trainer.precision=32-true"
            raise HachimachiError(f"training diverged before there was a model to keep; {advice}")

        ended = ended and (stop.reason or stop.requested or ended)  # Lightning calls both SIGTERM
        size: dict[str, Any] = {"weights": module.model.parameter_count, "events": data.events}
        run = Run(keep.path, folder, interrupted=ended, diverged=keep.diverged, **size)
        if is_first():
            run = _score(run, data, test, augmentation, module.global_step, start.heard)
            scores = {"score/nll": run.score, "score/gain": run.marginal - run.score, "score/test": run.test}
            scores = {name: value for name, value in scores.items() if math.isfinite(value)}
            for logger in loggers:
                logger.log_metrics(scores, trainer.global_step)
                logger.save()
        if run.playing:
            pictures.conclude(cfg, run.model, run.score, run.marginal - run.score, run.playing)
    return run, cfg


def _decide(cfg: DictConfig, data: EventDataModule, limits: Limits, start: Start) -> DictConfig:
    """Return a config in which all has a value that the data decides."""
    interval = ValidationInterval.of(cfg, data)
    if start.base is not None and cfg.optimizer.lr is None and data.repeats:
        cfg = cfg.copy()
        cfg.optimizer.lr = REPEATED_RATE
    cfg = resolve_defaults(cfg, data.events, fine_tuned=start.base is not None)
    if start.base is not None:
        for group, part in (("model", "backbone"), ("head", "head")):
            options = {key: value for key, value in start.base.parts[part].items() if key != "dropout"}
            OmegaConf.update(cfg, group, options, force_add=True)
    cfg.dataset.clock = data.clock is not None
    if data.clock:
        cfg.dataset.window = data.window
    if cfg.augment.transpose is None:  # what comes again does so in its own key, which not every head keeps
        keeps = plugins.part("head", cfg.head.name).takes_original and not data.repeats
        cfg.augment.transpose = TRANSPOSE if keeps else 0
    if cfg.head.get("intervals") is None and plugins.takes("head", cfg.head.name, "intervals"):
        cfg.head.intervals = INTERVALS if data.melodic else 0
    cfg.trainer.max_epochs, cfg.trainer.max_minutes = limits.epochs, limits.minutes
    cfg.trainer.max_steps = limits.steps or -1
    cfg.trainer.check_val_every_n_epoch = interval.epochs
    if interval.batches is not None:
        cfg.trainer.val_check_interval = interval.batches
    cfg.trainer.compile = compiles(cfg, data.events)
    return cfg


def _build_module(
    cfg: DictConfig,
    data: EventDataModule,
    augmentation: WindowAugmentation,
    schedule: LearningRateSchedule,
    start: Start,
) -> EventModule:
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    if cfg.trainer.threads:
        torch.set_num_threads(cfg.trainer.threads)
    clock = data.clock.numbers if data.clock else None
    parts, size, hear_masked = (_given(cfg.model), _given(cfg.head)), augmentation.size, cfg.dataset.hear_masked
    if start.base is not None:
        model = start.build(data, *parts, size, hear_masked=hear_masked)
    else:
        model = build_model(data.train, *parts, data.columns, size, clock, hear_masked=hear_masked)
    options = {key: cfg.optimizer[key] for key in ("lr", "weight_decay", "average")}
    options |= {"augmentation": augmentation, "schedule": schedule, "compiled": cfg.trainer.compile}
    return EventModule(model, **options, optimizer=build_optimizer(cfg))


def _given(options: DictConfig, without: str = "") -> dict[str, Any]:
    """Return the options that are not null: null leaves a key to the data, or to the part it is for."""
    plain = OmegaConf.to_container(options, resolve=True)
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if value is not None and key != without}


def _summarize(composed: DictConfig, cfg: DictConfig, data: EventDataModule) -> dict[str, Any]:
    """Return what the model file has of its training: the config as it was composed, and what was decided of it."""
    before, after = (dict(runs.flatten(OmegaConf.to_container(each))) for each in (composed, cfg))
    learned = {"name": data.path.name, "fingerprint": data.fingerprint(), "sequences": len(data.train)}
    return {
        "data": learned | {"events": data.events, "openings": data.openings(data.train)},
        "config": OmegaConf.to_container(composed, resolve=False),
        "decided": {key: value for key, value in after.items() if value != before.get(key)},
        "versions": runs.find_versions(),
        "platform": runs.find_platform(),
        "git": runs.find_revision(Path.cwd()),
        "date": time.strftime("%Y-%m-%d"),
    }


def _score(
    run: Run, data: EventDataModule, test: Collection | None, augmentation: WindowAugmentation, steps: int, heard: bool
) -> Run:
    """Score the model in the file, evaluate how it plays if it is to be heard, and store both and the verdict there.
    Steps are those of the whole run: a model that was at its best at the end might have become better."""
    if not run.path.is_file():
        return run
    model = run.model
    summary = model.summary
    if "held_out" in summary:  # a run that went on found nothing better than what had been scored before
        scored, kept = summary["held_out"], summary.get("kept", {})
        run = replace(run, score=scored["nats_per_event"], marginal=scored["marginal"], kept=kept)
    elif data.valid:
        kept = summary["kept"] = shrink(model, data.valid_sample)
        result = evaluate(model, data.scored_sample)
        fresh = {"fresh": result.fresh_nats_per_event, "fresh_events": result.fresh_events}
        summary["held_out"] = _figures(result) | fresh
        playing = None
        if heard and not run.interrupted:
            source = list(sample(data.train, SCORED, data.seed))
            playing = evaluate_playing(model, data.scored_sample, play_briefly(model, cut_primers(source)), source)
            summary["playing"] = playing.to_json() | {"sentence": playing.sentence(), "warning": playing.warning()}
        varied, improving = augmentation.names(model.columns) if augmentation else [], summary["steps"] > LATE * steps
        found = {"varied": varied, "improving": improving}
        verdict = judge(result.gain, result.gain_stderr, playing, events=data.events, **found)
        summary |= {"verdict": {"grade": verdict.grade, "advice": list(verdict.advice)}, **found}
        scores = {"score": result.nats_per_event, "marginal": result.marginal_nats_per_event}
        scores["gain_stderr"] = result.gain_stderr
        run = replace(run, **scores, playing=playing, kept=kept, verdict=verdict)
        save_model(model, run.path)
    if test and not run.interrupted:
        result = evaluate(model, test)
        summary["test"] = _figures(result)
        run = replace(run, test=result.nats_per_event)
        save_model(model, run.path)
    return run


def _figures(result: Evaluation) -> dict[str, Any]:
    return {
        "nats_per_event": result.nats_per_event,
        "marginal": result.marginal_nats_per_event,
        "stderr": result.stderr if math.isfinite(result.stderr) else None,
        "events": len(result.nll),
        "by_feature": result.by_feature(),
    }


def introduce(
    console: Console,
    cfg: DictConfig,
    data: EventDataModule,
    model: EventModel,
    limits: Limits,
    augmentation: WindowAugmentation,
    beginning: str = "",
) -> None:
    """Print what is learned from, what is predicted, by what, and for how long at most."""
    held = data.valid.events
    events = data.events + held
    where = f"in {count(len(data.valid), 'sequence')}" if data.parts.by_sequence else "at the end"
    sampling = f" ({sampled:,} sampled to stop by)" if (sampled := data.valid_sample.events) < held else ""
    held_out = f"{held:,} of them held out {where}{sampling}" if held else "none held out"
    console.print(f"{cfg.dataset.path}: {count(events, 'event')}, {held_out}")
    for remark in data.remarks:
        console.print(remark)
    if events < SMALL:
        found = f"Only {count(events, 'event')}"
        console.print(f"{found}: expect little of this model; a few hundred are a start", style="yellow")
    console.print(column_table(model))
    if beginning:
        print_filled(console, beginning)
    backbone = model.parts["backbone"]
    if {"layers", "size"} <= set(backbone):
        reason = "" if data.fine_tuned else explain_size(cfg.model.size, data.events)
        size = f"{backbone['layers']} × {backbone['size']}{reason}"
    else:  # one from a plug-in may have other options
        size = " ".join(f"{key}={value}" for key, value in backbone.items() if key != "name")
    console.print(f"{backbone['name']} {size}".rstrip() + ",")
    console.print(f"{cfg.head.name} head, {model.parameter_count:,} weights")
    if augmentation:
        names = ", ".join(augmentation.names(model.columns))
        console.print(f"{augmentation.share:.0%} of the windows varied: {names}")
        for op in augmentation.ops:
            console.print(f"  {op}")
    console.print(f"Learns for {limits} at most; Ctrl-C keeps the best")


def conclude(console: Console, cfg: DictConfig, run: Run) -> None:
    """Print what came out and what to do with it."""
    if run.interrupted:
        console.print(f"Stopped by {run.interrupted}; the best model so far is kept. To go on, add")
        console.print(f"ckpt_path={_short(run.folder / 'checkpoints' / 'last.ckpt')}")
    if run.diverged:
        advice = f"try optimizer.lr below {cfg.optimizer.lr:g}"
        console.print(f"Training diverged, the best before that is kept; {advice}", style="yellow")
    if math.isnan(run.score):
        console.print(f"{run.path}: written; nothing was held out, so there is no score")
    else:
        gain = run.marginal - run.score
        console.print(f"{run.path}: {run.score:.2f} nats per event on what was held out,")
        console.print(f"{abs(gain):.2f} {'below' if gain > 0 else 'above'} the marginal baseline of {run.marginal:.2f}")
    if math.isfinite(run.test):
        console.print(f"{run.test:.2f} nats per event on the test part")
    if unlearned := [name for name, share in run.kept.items() if not share]:
        print_filled(console, f"Could not learn when each value of {' and '.join(unlearned)} comes, only how often")
    if partly := [f"{name} {share:.0%}" for name, share in run.kept.items() if 0 < share < 1]:
        print_filled(console, f"Of what it learned so much holds for new music, and is kept: {', '.join(partly)}")
    if run.playing:
        print_filled(console, run.playing.sentence())
        if run.playing.collapsed:
            print_filled(console, run.playing.warning(), style="yellow")
    for line in run.verdict.lines() if run.verdict and not run.diverged else ():
        print_filled(console, line, style="" if run.verdict and run.verdict.grade != GRADES[0] else "yellow")
    model = shlex.quote(str(run.path))
    more = "".join(f" --plugin {name}" for name in cfg.plugins)
    console.print(f"Next: hxmx gen {model} output.csv{more}, or live: hxmx run {model}{more}")
    if (run.folder / "tensorboard").is_dir():
        console.print(f"Curves, pictures and sound: hxmx board {shlex.quote(_short(run.folder))}")


def _short(path: Path) -> str:
    """Return a path relative to the working directory, if it is below."""
    absolute = path.absolute()
    return str(absolute.relative_to(Path.cwd()) if absolute.is_relative_to(Path.cwd()) else path)
