"""What training begins with: a model that has learned other music before, or nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from hachimachi import bases
from hachimachi.bases import find_base, list_bases
from hachimachi.checkpoint import load_model
from hachimachi.errors import HachimachiError
from hachimachi.evaluation.likelihood import evaluate
from hachimachi.events import EventSequence
from hachimachi.models.event_model import EventModel, build_model
from hachimachi.models.transfer import adopt_columns, check_transferable, transfer
from hachimachi.training.config.groups import find_conf, list_defaults
from hachimachi.training.data import EventDataModule
from hachimachi.training.distributed import count as count_processes

AUTO, NONE = "auto", "none"
COMPARED = 500  # events by which the base model that fits best is found
LITERAL = 0.8
"""Share of what is held out that comes in what is learned from too, from which on a model is trained from scratch: a
small one at a high rate learned such pieces by heart in the time given, and was 0.7 to 3.0 nats better on their ends.
Up to 0.7 a base model was better on all but one of 30 pieces (`make bench-base`)."""
CLEAR = 2.0
"""Standard errors by which a fine-tuned model has to be better than the marginal baseline: else a model is trained from
scratch too, and the better one is kept."""


@dataclass(frozen=True)
class Start:
    """What a run begins with."""

    base: EventModel | None = None  # a model to fine-tune, ``None`` to train from scratch
    name: str = ""  # its name or file
    line: str = ""  # what to tell the user of it, if anything
    chosen: bool = False  # whether it was found to fit, and not named
    lineage: dict[str, Any] = field(default_factory=dict)
    heard: bool = True  # whether it is evaluated how the model plays, too

    def build(
        self, data: EventDataModule, backbone: dict[str, Any], head: dict[str, Any], size: int, *, hear_masked: bool
    ) -> EventModel:
        """Return a model for data that has learned what the base has; ``size`` numbers say how windows are augmented.
        Backbone and head are those of the base but for their dropout."""
        assert self.base is not None
        columns = adopt_columns(data.columns, self.base)
        model = build_model(data.train, backbone, head, columns, size, hear_masked=hear_masked)
        transfer(self.base, model)
        return model


def choose_start(cfg: DictConfig, data: EventDataModule) -> Start:
    """Decide what a run begins with, by ``init`` of its config.

    ``auto`` is the base model that predicts the data best where the data are notes, and nothing else is asked for that
    a base model cannot have; a run that goes on from a checkpoint begins with what that began with. Raises
    `HachimachiError`: a model that is named and is not there, does not fit the data, or contradicts the config.
    """
    if cfg.ckpt_path:
        return _resume(cfg)
    if cfg.init not in (AUTO, NONE):
        return _named(cfg, data)
    notes = {"time", "pitch"} <= {column.name for column in data.columns}
    if cfg.init == NONE or not notes or not list_bases():
        return Start()
    reason = _find_contradiction(cfg)
    if not reason and count_processes(cfg) > 1:
        reason = "it trains on several devices"
    found = {name: load_model(find_base(name) or "") for name in list_bases()} if not reason else {}
    adopted = {name: adopt_columns(data.columns, base) for name, base in found.items()}
    known = {name: {column.name for column in columns if column.reference} for name, columns in adopted.items()}
    fitting = {name: base for name, base in found.items() if {"time", "pitch"} <= known[name]}
    if not reason and not fitting:
        reason = "no base model has the steps of time and pitch of this data"
    if not reason and data.repetition >= LITERAL:
        reason = "it repeats itself note for note, which is learned sooner so"
    if reason:
        return Start(line=f"Begins from scratch: {reason}")
    held_out = list(data.valid_sample if data.valid else data.train)[:1]
    name = min(fitting, key=lambda each: _score(fitting[each], data, held_out))
    return describe_base(fitting[name], name, chosen=True)


def _resume(cfg: DictConfig) -> Start:
    try:
        model = load_model(cfg.ckpt_path)
    except HachimachiError:
        return Start()  # what is wrong with it is told where it is gone on from
    if not any(column.reference for column in model.columns):
        return Start()
    lineage = dict(model.summary.get("init", {}))
    return Start(model, str(lineage.get("name", cfg.ckpt_path)), lineage=lineage)


def _named(cfg: DictConfig, data: EventDataModule) -> Start:
    path = Path(cfg.init) if Path(cfg.init).exists() else find_base(cfg.init)
    if path is None:
        near = get_close_matches(cfg.init, [*bases.NAMES, AUTO, NONE], n=1)
        hint = f"did you mean {near[0]}?" if near else f"expected a model file, {', '.join(list_bases())}, auto or none"
        raise HachimachiError(f"init={cfg.init}: no such file and no base model; {hint}")
    base = load_model(path)
    if reason := _find_contradiction(cfg):
        raise HachimachiError(f"init={cfg.init}: {reason}, which a model that is fine-tuned has already; leave one out")
    check_transferable(base)
    if not any(adopted.reference for adopted in adopt_columns(data.columns, base)):
        known = ", ".join(column.name for column in base.columns)
        raise HachimachiError(f"init={cfg.init}: it has no column of this data in the same steps; it has {known}")
    return describe_base(base, cfg.init)


def describe_base(base: EventModel, name: str, *, chosen: bool = False) -> Start:
    """Return the start from a model, with what is told of it and kept of its lineage."""
    data, card = base.summary.get("data", {}), base.summary.get("base", {})
    lineage = {"name": name, "data": data, "date": base.summary.get("date"), **card}
    if before := base.summary.get("init"):
        lineage["init"] = before
    if "held_out" in base.summary:
        held = base.summary["held_out"]
        lineage["held_out"] = {key: held[key] for key in ("nats_per_event", "marginal", "events") if key in held}
    of = f", which learned {data['events']:,} events" if "events" in data else ""
    licence = f" ({card['licence']})" if "licence" in card else ""
    line = f"Begins with {name}{of}{licence}" + ("; from scratch: init=none" if chosen else "")
    return Start(base, name, line, chosen, lineage)


def _find_contradiction(cfg: DictConfig) -> str:
    """Return what a config asks for that is settled with a base: another backbone or head, or a size."""
    defaults = {entry.name: entry.value for entry in list_defaults()}
    for group in ("model", "head"):
        plain = OmegaConf.load(find_conf() / group / f"{defaults[group]}.yaml")
        for key, value in cfg[group].items():
            if key != "dropout" and value is not None and value != OmegaConf.select(plain, str(key)):
                return f"{group}.{key}={value} is named" if key != "name" else f"{group}={value} is named"
    return ""


def _score(base: EventModel, data: EventDataModule, sequences: Sequence[EventSequence]) -> float:
    """Return nats per event of a base on the first events of sequences, before it has learned from the data."""
    model = EventModel(adopt_columns(data.columns, base), base.parts["backbone"], base.parts["head"], 0)
    model.head.init_to_marginals(torch.from_numpy(data.train.sampled().all_rows()))
    transfer(base, model)
    return evaluate(model.eval(), [sequence[:COMPARED] for sequence in sequences]).nats_per_event
