"""Events as JSON: declared features, and one sequence or many::

    {"features": {"0": {"name": "pitch", "kind": "integer", "min": 0, "max": 127, "resolution": 1},
                  "1": {"name": "duration", "masked": true},
                  "2": {"name": "instrument", "categorical": true}},
     "time": [0.0, 0.25], "data": [[60, 0.25, 0], [64, 0.25, 0]]}

Many sequences are listed under ``sequences``, each with ``name``, ``time`` and ``data``. Without ``time`` events have
only an order. Keys under ``features`` are column numbers; everything in a feature is optional.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hachimachi.errors import HachimachiError, located
from hachimachi.events import EventSequence, Feature
from hachimachi.io.report import Report
from hachimachi.io.text import decode, note_milliseconds, numerals

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    **dict.fromkeys(("name", "kind"), ((str,), "text")),
    **dict.fromkeys(("categorical", "masked"), ((bool,), "true or false")),
    **dict.fromkeys(("min", "max", "resolution"), ((int, float), "a finite number")),
}


def read_features(described: object, columns: int) -> tuple[Feature, ...]:
    """Return a feature for each column, named by its index if not described; HachimachiError where that is invalid."""
    if not isinstance(described, dict):
        raise HachimachiError(f'features: found {json.dumps(described)[:30]}, expected an object such as {{"0": {{}}}}')
    known = set(map(str, range(columns)))
    for key in described:
        if key not in known:
            expected = f"column numbers from 0 to {columns - 1}, since rows have {columns} values"
            raise HachimachiError(f"features: found key {key[:30]!r}, expected {expected}")
    return tuple(_feature(described.get(str(column), {}), column) for column in range(columns))


def describe(feature: Feature) -> dict[str, Any]:
    """Return what is declared of a feature, as a JSON object."""
    described: dict[str, Any] = {"name": feature.name}
    if feature.kind == "categorical":
        described["categorical"] = True
    elif feature.kind is not None:
        described["kind"] = feature.kind
    if feature.masked:
        described["masked"] = True
    for key in ("min", "max", "resolution"):
        if (value := getattr(feature, key)) is not None:
            described[key] = int(value) if float(value).is_integer() and abs(value) < 2**53 else value
    return described


def _feature(described: object, column: int) -> Feature:
    where = f"features[{column}]"
    if not isinstance(described, dict):
        raise HachimachiError(f"{where}: found {json.dumps(described)[:30]}, expected an object")
    for key, value in described.items():
        if key not in _TYPES:
            raise HachimachiError(f"{where}: key {key!r} has no meaning; expected {', '.join(_TYPES)}")
        types, expected = _TYPES[key]
        valid = value is None or type(value) in types
        if not valid or (isinstance(value, float) and not math.isfinite(value)):
            raise HachimachiError(f"{where}: {key} is {json.dumps(value)}, expected {expected}")
    options: dict[str, Any] = {"name": str(column)}
    options |= {key: value for key, value in described.items() if value is not None}
    categorical = options.pop("categorical", None)
    if categorical and "kind" not in options:
        options["kind"] = "categorical"
    if categorical is not None and "kind" in options and categorical != (options["kind"] == "categorical"):
        pair = f"categorical is {json.dumps(categorical)} and kind is {options['kind']!r}"
        raise HachimachiError(f"{where}: {pair}, a contradiction; leave one of them out")
    with located(where):
        return Feature(**options)


_PLAIN = ("features", "time", "data")
_MANY = ("features", "sequences")
_EACH = ("name", "time", "data")
_LARGEST = int(sys.float_info.max)


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:
    """Read one sequence or many; HachimachiError for anything else, with the key and the row, counted from 1."""
    top = _load(decode(data, file, report))
    many = "sequences" in top
    _check_keys(top, _MANY if many else _PLAIN, "")
    parts = top["sequences"] if many else [{key: top[key] for key in ("time", "data") if key in top}]
    if not isinstance(parts, list) or not parts:
        raise HachimachiError(f"sequences: found {_shown(parts)}, expected a list of at least one")
    locations = [f"sequences[{i}]: " for i in range(len(parts))] if many else [""]
    for part, where in zip(parts, locations, strict=True):
        _check_part(part, where)
    features = read_features(top.get("features", {}), parts[0]["data"].shape[1])
    sequences = []
    for part, where in zip(parts, locations, strict=True):
        name = part.get("name", "")
        if not isinstance(name, str):
            raise HachimachiError(f"{where}name: found {_shown(name)}, expected text")
        with located(where.removesuffix(": ")) if many else nullcontext():
            sequences.append(EventSequence(features, part["data"], part.get("time"), name))
    note_milliseconds([sequence.time for sequence in sequences if sequence.time is not None], file, report)
    return sequences


def _load(text: str) -> dict[str, Any]:
    try:
        top = json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        where = f"not JSON: line {error.lineno}, column {error.colno}"
        raise HachimachiError(f"{where}: {_mistake(text, error)}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise HachimachiError(f"not JSON that can be read: {error}") from error
    if not isinstance(top, dict):
        raise HachimachiError(f'found {_shown(top)}, expected an object with "features", "time" and "data"')
    return top


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse repeated keys, of which Python would take the last."""
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise HachimachiError(f"key {twice!r} stands twice in one object; leave one of them out")
    return made


def _mistake(text: str, error: json.JSONDecodeError) -> str:
    """Describe a syntax error, the common ones more plainly than Python."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip()
    if before.endswith(","):
        before, after = before[:-1], "," + after  # where Python 3.13 sees the mistake
    if after.startswith(",") and after[1:].lstrip()[:1] in ("]", "}"):
        return f"a comma before {after[1:].lstrip()[0]!r}; leave it out"
    if not after and before[:1] in ("{", "["):
        return "the file ends in the middle; it was cut off, or not written to its end"
    if after[:1] == "'":
        return "found ', expected \"; JSON quotes with double quotes"
    return error.msg


def _check_keys(part: dict[str, Any], allowed: Sequence[str], where: str) -> None:
    unknown = [key for key in part if key not in allowed]
    if unknown:
        raise HachimachiError(f"{where}key {unknown[0]!r} has no meaning here; expected {', '.join(allowed)}")


def _check_part(part: Any, where: str) -> None:
    """Check what `EventSequence` does not, and replace lists by arrays."""
    if not isinstance(part, dict):
        raise HachimachiError(f"{where}found {_shown(part)}, expected an object with time and data")
    _check_keys(part, _EACH, where)
    rows = part.get("data")
    if not isinstance(rows, list) or not rows:
        found = "there is no such key" if "data" not in part else f"found {_shown(rows)}"
        raise HachimachiError(f"{where}data: {found}, expected a list of rows, at least one event")
    if (table := _table(rows)) is None:
        for number, row in enumerate(rows, 1):
            if not isinstance(row, list) or len(row) != len(rows[0]):
                width = len(rows[0]) if isinstance(rows[0], list) else 1
                found = f"{len(row)} values" if isinstance(row, list) else _shown(row)
                raise HachimachiError(f"{where}data: row {number}: found {found}, expected a row of {width}")
            _check_numbers(row, f"{where}data: row {number}, column ", 0)
    part["data"] = table
    time = part.get("time")
    if time is not None:
        if not isinstance(time, list):
            raise HachimachiError(f"{where}time: found {_shown(time)}, expected a list of seconds")
        if (seconds := _numbers(time)) is None:
            _check_numbers(time, f"{where}time: row ", 1)
        part["time"] = seconds


def _table(rows: list[Any]) -> NDArray[np.float64] | None:
    """Return rows of equally many numbers, of which there may be millions, or ``None`` for anything else."""
    if set(map(type, rows)) != {list} or len(set(map(len, rows))) != 1:
        return None
    numbers = _numbers(list(chain.from_iterable(rows)))
    return None if numbers is None else numbers.reshape(len(rows), -1)


def _numbers(values: list[Any]) -> NDArray[np.float64] | None:
    """Return numbers, or ``None`` if any is of another type or too large for a float."""
    try:
        return np.array(values, np.float64) if set(map(type, values)) <= {int, float} else None
    except OverflowError:
        return None


def _check_numbers(values: list[Any], where: str, first: int) -> None:
    for number, value in enumerate(values, first):
        if type(value) is not float and (type(value) is not int or abs(value) > _LARGEST):
            raise HachimachiError(f"{where}{number}: found {_shown(value)}, expected a finite number")


def _shown(value: object) -> str:
    kinds = {list: "a list", dict: "an object"}
    text = json.dumps(value)
    return text if len(text) <= 30 else kinds.get(type(value), text[:30] + "…")


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence at the top level, several under ``sequences``."""
    features = ",\n  ".join(f'"{i}": {json.dumps(describe(f))}' for i, f in enumerate(sequences[0].features))
    if len(sequences) == 1:
        body = _body(sequences[0])
    else:
        named = (f'{{"name": {json.dumps(each.name, ensure_ascii=False)}, {_body(each)}}}' for each in sequences)
        body = '"sequences": [\n' + ",\n".join(named) + "]"
    return f'{{"features": {{\n  {features}}},\n{body}}}\n'.encode()


def _body(sequence: EventSequence) -> str:
    time = "" if sequence.time is None else f'"time": [{", ".join(numerals(sequence.time))}],\n'
    rows = "],\n[".join(map(", ".join, zip(*map(numerals, sequence.data.T), strict=True)))
    return f'{time}"data": [\n{f"[{rows}]" if len(sequence) else ""}]'
