"""Parts of Lightning and torch in a config: any argument of `L.Trainer`, and classes that ``_target_`` names.

Open sections take them besides their own keys. They are checked against signatures before any data is read, and built
by Hydra. What is named here runs, so none is taken from a model file: :func:`split_stored`.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import fields
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hachimachi import plugins
from hachimachi.errors import HachimachiError
from hachimachi.training.config.schema import (
    OPEN,
    TARGET,
    ConfigError,
    TrainConfig,
    accepts,
    explain_key,
    has_target,
    list_schema_keys,
    name_kind,
    show,
)

Built = TypeVar("Built")
OWNED = {  # arguments of the trainer that the run decides, and what to say in place of them
    "logger": "+logger.mine={_target_: …} adds one",
    "callbacks": "+callbacks.mine={_target_: …} adds one",
    "default_root_dir": "hydra.run.dir=… says where a run writes",
    "enable_checkpointing": "+callbacks.mine={_target_: lightning.pytorch.callbacks.ModelCheckpoint} adds to its own",
}
COUNTED = ("accumulate_grad_batches",)  # arguments whose range the trainer does not check
HYDRA = (TARGET, "_args_", "_partial_", "_recursive_", "_convert_")  # keys that are for Hydra
KINDS = {  # what the classes of each section are to be
    "callbacks": "lightning.pytorch.callbacks.Callback",
    "logger": "lightning.pytorch.loggers.Logger",
    "optimizer": "torch.optim.Optimizer",
}
_SECTIONS: dict[str, Any] = {each.name: each.default_factory for each in fields(TrainConfig) if each.name in OPEN}
_OWN = {name: {key.name for key in fields(section)} for name, section in _SECTIONS.items()}


def list_more(cfg: DictConfig, section: str) -> dict[str, Any]:
    """Return what an open section has besides its own keys, as it stands there."""
    more = OmegaConf.to_container(cfg[section], resolve=False)
    assert isinstance(more, dict)
    return {str(key): value for key, value in more.items() if key not in _OWN[section]}


def check_open(cfg: DictConfig) -> None:
    """Check names, classes and arguments that open sections have besides their own keys; raises a `ConfigError`."""
    _check_trainer(list_more(cfg, "trainer"))
    for key in ("strategy", "profiler"):
        if has_target(value := cfg.trainer.get(key)):
            _check_call(f"trainer.{key}", value)
    for section in ("callbacks", "logger"):
        for name, value in list_more(cfg, section).items():
            key = f"{section}.{name}"
            if has_target(value):
                _check_call(key, value, section)
            elif isinstance(value, Mapping):
                raise ConfigError(f"{key}: found {', '.join(map(str, value))}, expected {{{TARGET}: package.Class, …}}")
            elif value is not None:
                raise ConfigError(explain_key(key, also=f", and names of your own, +{section}.mine={{{TARGET}: …}}"))
    if more := list_more(cfg, "optimizer"):
        if TARGET not in more:
            also = f"; arguments of another optimizer come with its class, +optimizer.{TARGET}=torch.optim.RAdam"
            raise ConfigError(explain_key(f"optimizer.{next(iter(more))}", [f"optimizer.{TARGET}"], also))
        _check_call("optimizer", more, "optimizer")


def _check_trainer(more: Mapping[str, Any]) -> None:
    for name in more:  # what is nearly a key of ours is known before Lightning is imported, which takes seconds
        if name not in OWNED and (near := get_close_matches(name, _OWN["trainer"], n=1, cutoff=0.9)):
            raise ConfigError(f"trainer.{name}: no such key; did you mean trainer.{near[0]}?")
    known = trainer_arguments() if more else {}
    for name, value in more.items():
        key, others = f"trainer.{name}", [f"trainer.{each}" for each in known if each not in _OWN["trainer"]]
        near = get_close_matches(name, [*known, *_OWN["trainer"]], n=1)
        owned = name if name in OWNED else near[0] if near and near[0] in OWNED and name not in known else ""
        if owned:
            raise ConfigError(f"{key}: {f'trainer.{owned} is ' * (owned != name)}the run's own; {OWNED[owned]}")
        if name not in known:
            raise ConfigError(explain_key(key, others, ", and what lightning.Trainer takes"))
        _check_value(key, value, known[name], 1 if name in COUNTED else None)


def _check_value(key: str, value: Any, kind: Any, least: int | None = None) -> None:
    if has_target(value):
        _check_call(key, value)
    elif not accepts(kind, value) or (least is not None and isinstance(value, int) and value < least):
        expected = name_kind(kind) + (f" from {least}" if least is not None else "")
        raise ConfigError(f"{key}: found {show(value)}, expected {expected}")


@cache
def trainer_arguments() -> dict[str, Any]:
    """Return the arguments of Lightning's trainer with their types."""
    import lightning as L

    return {name: each.annotation for name, each in _parameters(L.Trainer).items()}


def _check_call(key: str, node: Any, section: str = "") -> None:
    path, kind = node[TARGET], KINDS.get(section)
    target = _find(f"{key}.{TARGET}", path)
    if kind and isinstance(target, type) and not issubclass(target, pkgutil.resolve_name(kind)):
        raise ConfigError(f"{key}.{TARGET}: {path} is no {kind}")
    if not callable(target):
        raise ConfigError(f"{key}.{TARGET}: {path} is no class; expected one, package.Class")
    try:
        taken = dict(_parameters(target))
    except (TypeError, ValueError):  # built in, without a signature
        return
    variadic = [each.name for each in taken.values() if each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD)]
    if any(taken[name].kind is inspect.Parameter.VAR_KEYWORD for name in variadic):
        return
    if section == "optimizer":  # weights come first, and rate and decay are keys of ours
        taken = {name: each for name, each in list(taken.items())[1:] if name not in _OWN[section]}
    given = {str(name): node[name] for name in node if name not in HYDRA}
    for name, value in given.items():
        if name not in taken:
            near = get_close_matches(name, taken, n=1)
            hint = f"did you mean {key}.{near[0]}?" if near else f"it takes {', '.join(taken) or 'nothing'}"
            raise ConfigError(f"{key}.{name}: {path} has no such argument; {hint}")
        if not has_target(value):  # which is checked where it is built
            _check_value(f"{key}.{name}", value, taken[name].annotation)
    missing = [name for name, each in taken.items() if each.default is each.empty and name not in (*variadic, *given)]
    if missing and "_args_" not in node and "_partial_" not in node:
        raise ConfigError(f"{key}: {path} needs {', '.join(missing)}; expected {key}.{missing[0]}=…")


def _find(key: str, path: Any) -> Any:
    plugins.look_here()
    try:
        return pkgutil.resolve_name(path)
    except AttributeError as error:
        known = [name for name in dir(error.obj) if not name.startswith("_")]
        near = get_close_matches(str(error.name), known, n=1)
        where = getattr(error.obj, "__name__", path)
        hint = f"; did you mean {where}.{near[0]}?" if near else ""
        raise ConfigError(f"{key}: {where} has no {error.name}{hint}") from error
    except Exception as error:
        found = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise ConfigError(f"{key}: found {show(path)}, expected package.Class ({found})") from error


def _parameters(target: Callable[..., Any]) -> Mapping[str, inspect.Parameter]:
    try:
        return inspect.signature(target, eval_str=True).parameters
    except (NameError, TypeError, AttributeError):  # a type that is imported for type checkers only
        return inspect.signature(target).parameters


def build_trainer_options(cfg: DictConfig) -> dict[str, Any]:
    """Return arguments of the trainer that are no keys of our own, and strategy and profiler where they are classes."""
    keys = [*list_more(cfg, "trainer"), *(key for key in ("strategy", "profiler") if has_target(cfg.trainer.get(key)))]
    return {key: _build(f"trainer.{key}", cfg.trainer[key]) for key in keys}


def build_section(cfg: DictConfig, section: str, kind: type[Built]) -> list[Built]:
    """Build the classes that ``callbacks`` or ``logger`` names, in their order; one that is null is left out."""
    named = [name for name, value in list_more(cfg, section).items() if value is not None]
    built = [_build(f"{section}.{name}", cfg[section][name]) for name in named]
    for name, each in zip(named, built, strict=True):
        if not isinstance(each, kind):
            raise HachimachiError(f"{section}.{name}: made a {type(each).__name__}, expected a {kind.__name__}")
    return built


def build_optimizer(cfg: DictConfig) -> Callable[..., Any] | None:
    """Return what makes the optimizer a config names, given groups of weights and `lr`; nothing if it names none."""
    more = list_more(cfg, "optimizer")
    if TARGET not in more:
        return None
    resolved = {key: cfg.optimizer[key] for key in more}
    make = _build("optimizer", OmegaConf.create(resolved), _partial_=True)

    def make_optimizer(groups: Iterable[Any], lr: float) -> Any:
        try:
            return make(groups, lr=lr)
        except Exception as error:
            raise HachimachiError(f"optimizer: {more[TARGET]}: {' '.join(str(error).split())}") from error

    return make_optimizer


def _build(key: str, node: Any, **options: Any) -> Any:
    if not OmegaConf.is_config(node):
        return node
    plugins.look_here()
    try:
        return instantiate(node, _convert_="all", **options)
    except (HydraException, OmegaConfBaseException) as error:
        raise HachimachiError(f"{key}: {' '.join(str(error.__cause__ or error).split())}") from error


def split_stored(
    stored: Mapping[str, Any], without: Collection[str] = ()
) -> tuple[dict[str, Any], list[str], list[str]]:
    """Split the config in a model file, ``without`` some sections, into what is left, the keys of what names a class or
    would compute something, and the keys that there are not.

    A file that came from anywhere says what was learned and how, and nothing of it runs: neither ``_target_`` nor
    ``${…}`` other than a reference to another key, which might write one.
    """
    left: dict[str, Any] = {}
    taken, gone, known = [], [], list_schema_keys()
    for section, value in stored.items():
        if section in without:
            continue
        pairs = value.items() if isinstance(value, Mapping) else [("", value)]
        for name, each in pairs:
            key = f"{section}.{name}" if name else section
            own = section == "feature" or key in known
            if each is not None and (not _is_inert(each) or (section in OPEN and section != "trainer" and not own)):
                target = each[TARGET] if has_target(each) else each if name == TARGET else ""
                taken.append(key + (f" ({target})" if target else ""))
            elif not own and (section != "trainer" or name not in trainer_arguments()):
                gone.append(key)
            elif name:
                left.setdefault(section, {})[name] = each
            else:
                left[section] = each
    return left, taken, gone


def _is_inert(value: Any) -> bool:
    if isinstance(value, Mapping):
        return TARGET not in value and all(map(_is_inert, value.values()))
    if isinstance(value, list):
        return all(map(_is_inert, value))
    if not isinstance(value, str):
        return True
    plain = re.sub(r"(?<!\\)(\\\\)*\\\$\{", "", value)  # escaped, as in a file's name
    return "${" not in plain or re.fullmatch(r"\$\{\w+(\.\w+)*\}", plain) is not None
