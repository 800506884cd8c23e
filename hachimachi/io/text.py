"""Text encodings, numbers as text, and times that look like milliseconds, for the text formats."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hachimachi.errors import HachimachiError
from hachimachi.io.report import Report

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does, so it comes first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def decode(data: bytes, file: str = "", report: Report | None = None) -> str:
    """Return UTF-8, UTF-16 or UTF-32 without byte order mark; with a report, also Latin-1; else HachimachiError."""
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    if encoding == "utf-8" and (found := _NO_TEXT.search(data)):
        expected = "which no text holds; expected a text file in UTF-8"
        raise HachimachiError(f"byte {found.start() + 1} is {found[0][0]:#04x}, {expected}")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        where = f"byte {error.start + 1} is not {encoding.removesuffix('-sig').upper()} text; save the file as UTF-8"
        if encoding != "utf-8" or report is None:
            raise HachimachiError(where) from error
    try:
        text = data.decode("cp1252")  # Latin-1 as Windows fills it: what it leaves undefined is no text
    except UnicodeDecodeError as error:
        raise HachimachiError(where) from error
    report.understand("files read as Latin-1 text, since they are not UTF-8", file)
    return text


def numerals(values: ArrayLike) -> list[str]:
    """Return numbers as text that reads back exactly, whole ones as integers.

    >>> numerals([60.0, 0.25, 1e300])
    ['60', '0.25', '1e+300']
    """
    numbers = np.asarray(values, dtype=np.float64)
    whole = (np.rint(numbers) == numbers) & (np.abs(numbers) < 2**53)
    integers = bool(whole.all())
    listed = json.dumps((numbers.astype(np.int64) if integers else numbers).tolist())  # ten times faster than singly
    texts = listed[1:-1].split(", ") if numbers.size else []
    for i in () if integers else np.flatnonzero(whole).tolist():
        texts[i] = str(int(numbers[i]))
    return texts


MILLISECONDS = "files whose times look like milliseconds, taken for seconds: if so, call the CSV column 'time (ms)'"
_WHOLE_APART = 5.0
_APART = 30.0
_LATEST = 1e11  # seconds since 1970 reach this in the year 5138; milliseconds did in 1973


def note_milliseconds(times: Sequence[NDArray[np.float64]], file: str, report: Report) -> None:
    """Report times of a file, ascending in each sequence, that look like milliseconds."""
    times = [time for time in times if time.size]
    if times:
        steps = np.concatenate([np.diff(time) for time in times])
        apart = steps[steps > 0]
        typical = float(np.median(apart)) if apart.size else 0.0
        whole = all(np.array_equal(time, np.round(time)) for time in times)
        report.count(MILLISECONDS, file, are_milliseconds(typical, whole, max(float(time[-1]) for time in times)))


def are_milliseconds(typical: float, whole: bool, latest: float) -> bool:
    """Return whether times look like milliseconds, by the median of positive steps, if all are whole, and the last."""
    return typical >= (_WHOLE_APART if whole else _APART) or latest >= _LATEST
