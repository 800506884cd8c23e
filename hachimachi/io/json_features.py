"""Features as they are described in JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.events import Feature

_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "name": ((str,), "text"),
    "kind": ((str,), "text"),
    "categorical": ((bool,), "true or false"),
    "masked": ((bool,), "true or false"),
    "min": ((int, float), "a finite number"),
    "max": ((int, float), "a finite number"),
    "resolution": ((int, float), "a finite number"),
}


def read_features(described: object, columns: int) -> tuple[Feature, ...]:
    """Return a feature for each column; those not described are named by their number.

    Raises:
        HachimachiError: A key that is no column, or a description that is wrong or contradicts itself.
    """
    if not isinstance(described, dict):
        raise HachimachiError(f'features: found {json.dumps(described)[:30]}, expected an object such as {{"0": {{}}}}')
    for key in described:
        if not (key.isdecimal() and key == str(int(key)) and int(key) < columns):
            expected = f"column numbers from 0 to {columns - 1}, since rows have {columns} values"
            raise HachimachiError(f"features: found key {key!r}, expected {expected}")
    return tuple(_feature(described.get(str(column), {}), column) for column in range(columns))


def describe(feature: Feature) -> dict[str, Any]:
    """Return what is declared of a feature, as JSON holds it."""
    described: dict[str, Any] = {"name": feature.name}
    if feature.kind == "categorical":
        described["categorical"] = True
    elif feature.kind is not None:
        described["kind"] = feature.kind
    if feature.masked:
        described["masked"] = True
    bounds = {key: getattr(feature, key) for key in ("min", "max", "resolution")}
    return described | {key: _whole(value) for key, value in bounds.items() if value is not None}


def _feature(described: object, column: int) -> Feature:
    place = f"features[{column}]"
    if not isinstance(described, dict):
        raise HachimachiError(f"{place}: found {json.dumps(described)[:30]}, expected an object")
    for key, value in described.items():
        _check(key, value, place)
    options: dict[str, Any] = {"name": str(column)}
    options |= {key: value for key, value in described.items() if value is not None}
    categorical = options.pop("categorical", None)
    if categorical and "kind" not in options:
        options["kind"] = "categorical"
    if categorical is not None and "kind" in options and categorical != (options["kind"] == "categorical"):
        pair = f"categorical is {json.dumps(categorical)} and kind is {options['kind']!r}"
        raise HachimachiError(f"{place}: {pair}, a contradiction; leave one of them out")
    try:
        return Feature(**options)
    except HachimachiError as error:
        raise HachimachiError(f"{place}: {error}") from error


def _check(key: str, value: object, place: str) -> None:
    if key not in _TYPES:
        raise HachimachiError(f"{place}: key {key!r} has no meaning; expected {', '.join(_TYPES)}")
    types, expected = _TYPES[key]
    right = value is None or type(value) in types
    if not right or (isinstance(value, float) and not math.isfinite(value)):
        raise HachimachiError(f"{place}: {key} is {json.dumps(value)}, expected {expected}")


def _whole(value: float) -> float:
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else value
