"""Events as JSON: features with everything declared, and one sequence or many.

    {"features": {"0": {"name": "pitch", "kind": "integer", "min": 0, "max": 127, "resolution": 1},
                  "1": {"name": "duration", "masked": true},
                  "2": {"name": "instrument", "categorical": true}},
     "time": [0.0, 0.25], "data": [[60, 0.25, 0], [64, 0.25, 0]]}

Many sequences stand under ``sequences``, each with ``name``, ``time`` and ``data``. Without ``time`` events
have an order only. Keys under ``features`` are column numbers; everything in a feature is optional.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, Feature
from hachimachi.io.json_features import describe, read_features
from hachimachi.io.report import Report
from hachimachi.io.text import decode, numerals

_PLAIN = ("features", "time", "data")
_MANY = ("features", "sequences")
_EACH = ("name", "time", "data")


def parse(data: bytes, file: str, report: Report) -> list[EventSequence]:  # noqa: ARG001  (a reader's signature)
    """Read one sequence or many. Rows in messages are counted from 1.

    Raises:
        HachimachiError: Not JSON, a key that has no meaning, rows of different lengths, no finite numbers,
            time that goes back or is not one for each row, a feature that contradicts itself, or no events.
    """
    top = _load(decode(data))
    many = "sequences" in top
    _check_keys(top, _MANY if many else _PLAIN, "")
    parts = top["sequences"] if many else [{key: top[key] for key in ("time", "data") if key in top}]
    if not isinstance(parts, list) or not parts:
        raise HachimachiError(f"sequences: found {_shown(parts)}, expected a list of at least one")
    places = [f"sequences[{i}]: " for i in range(len(parts))] if many else [""]
    for part, place in zip(parts, places, strict=True):
        _check_part(part, place)
    features = read_features(top.get("features", {}), len(parts[0]["data"][0]))
    return [_sequence(part, features, place) for part, place in zip(parts, places, strict=True)]


def render(sequences: Sequence[EventSequence]) -> bytes:
    """Write one sequence in the plain form, several under ``sequences``; one event a line."""
    features = ",\n  ".join(f'"{i}": {json.dumps(describe(f))}' for i, f in enumerate(sequences[0].features))
    if len(sequences) == 1:
        body = _body(sequences[0])
    else:
        each = (f'{{"name": {json.dumps(s.name, ensure_ascii=False)}, {_body(s)}}}' for s in sequences)
        body = '"sequences": [\n' + ",\n".join(each) + "]"
    return f'{{"features": {{\n  {features}}},\n{body}}}\n'.encode()


def _body(sequence: EventSequence) -> str:
    time = "" if sequence.time is None else f'"time": [{", ".join(numerals(sequence.time))}],\n'
    rows = "],\n[".join(map(", ".join, zip(*map(numerals, sequence.data.T), strict=True)))
    return f'{time}"data": [\n{f"[{rows}]" if len(sequence) else ""}]'


def _load(text: str) -> dict[str, Any]:
    try:
        top = json.loads(text)
    except json.JSONDecodeError as error:
        raise HachimachiError(f"not JSON: line {error.lineno}, column {error.colno}: {error.msg}") from error
    except (RecursionError, ValueError) as error:  # nested too deeply, or a number of thousands of digits
        raise HachimachiError(f"not JSON that can be read: {error}") from error
    if not isinstance(top, dict):
        raise HachimachiError(f'found {_shown(top)}, expected an object with "features", "time" and "data"')
    return top


def _check_keys(part: dict[str, Any], allowed: Sequence[str], place: str) -> None:
    unknown = [key for key in part if key not in allowed]
    if unknown:
        raise HachimachiError(f"{place}key {unknown[0]!r} has no meaning here; expected {', '.join(allowed)}")


def _check_part(part: Any, place: str) -> None:
    """Check everything about a sequence that `EventSequence` cannot see."""
    if not isinstance(part, dict):
        raise HachimachiError(f"{place}found {_shown(part)}, expected an object with time and data")
    _check_keys(part, _EACH, place)
    rows = part.get("data")
    if not isinstance(rows, list) or not rows:
        found = "there is no such key" if "data" not in part else f"found {_shown(rows)}"
        raise HachimachiError(f"{place}data: {found}, expected a list of rows, at least one event")
    for number, row in enumerate(rows, 1):
        if not isinstance(row, list) or len(row) != len(rows[0]):
            width = len(rows[0]) if isinstance(rows[0], list) else 1
            found = f"{len(row)} values" if isinstance(row, list) else _shown(row)
            raise HachimachiError(f"{place}data: row {number}: found {found}, expected a row of {width}")
        _check_numbers(row, f"{place}data: row {number}, column ", 0)
    if part.get("time") is not None:
        if not isinstance(part["time"], list):
            raise HachimachiError(f"{place}time: found {_shown(part['time'])}, expected a list of seconds")
        _check_numbers(part["time"], f"{place}time: row ", 1)


def _check_numbers(values: list[Any], place: str, first: int) -> None:
    for number, value in enumerate(values, first):
        if type(value) is not float and (type(value) is not int or abs(value) > 10**300):
            raise HachimachiError(f"{place}{number}: found {_shown(value)}, expected a finite number")


def _sequence(part: dict[str, Any], features: tuple[Feature, ...], place: str) -> EventSequence:
    name = part.get("name", "")
    if not isinstance(name, str):
        raise HachimachiError(f"{place}name: found {_shown(name)}, expected text")
    try:
        return EventSequence(features, part["data"], part.get("time"), name)
    except HachimachiError as error:
        raise HachimachiError(f"{place}{error}") from error


def _shown(value: object) -> str:
    kinds = {list: "a list", dict: "an object"}
    text = json.dumps(value)
    return text if len(text) <= 30 else kinds.get(type(value), text[:30] + "…")
