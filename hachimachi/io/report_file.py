"""The whole report in a file, for those who want to go through it."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hachimachi.errors import HachimachiError
from hachimachi.io.atomic import check_place, replacing
from hachimachi.io.report import Report

SUFFIXES = (".csv", ".json")
HEADER = ("what", "name", "count", "why")
"""Columns of the CSV form. ``count`` is a number of notes, events, parts or files, or a score from 0 to 1."""


def check_report_path(path: str | os.PathLike[str]) -> None:
    """Refuse a path that says neither CSV nor JSON, or where nothing can be written.

    Raises:
        HachimachiError: Another suffix, or no place to write.
    """
    if Path(path).suffix.lower() not in SUFFIXES:
        raise HachimachiError(f"{path}: a report ends in {' or '.join(SUFFIXES)}")
    check_place(path)


def write_report(path: str | os.PathLike[str], report: Report) -> None:
    """Write everything that a report knows, as CSV (a row for each thing that happened) or JSON.

    Raises:
        HachimachiError: Another suffix, or no place to write.
    """
    check_report_path(path)
    text = _csv(report) if Path(path).suffix.lower() == ".csv" else json.dumps(_json(report), indent=1) + "\n"
    with replacing(path) as beside:
        beside.write_text(text, encoding="utf-8", newline="")


def _csv(report: Report) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([HEADER, *_rows(report)])
    return file.getvalue()


def _rows(report: Report) -> Iterator[tuple[str, str, float, str]]:
    yield from (("left out", name, 1, reason) for name, reason in report.refused.items())
    told = {"read as": report.understood, "mended or odd": report.remarks, "events left out": report.dropped}
    for what, account in told.items():
        yield from ((what, name, times, why) for why, files in account.items() for name, times in files.items())
    yield from (("cut into parts", name, parts, "gaps above --max-gap") for name, parts in report.cut.items())
    for name, of, score, shift, _ in report.duplicates:
        yield "near duplicate", name, round(score, 4), f"of {of}" + (f", {shift:+d} semitones" if shift else "")
    for column, value in report.constants.items():
        yield "column left out", column, 1, f"{value:g} throughout"
    yield from (("passed over", suffix, files, "no data") for suffix, files in report.passed.items())
    for what in ("files", "sequences", "events", "seconds"):
        yield "total", what, getattr(report, what), "read, after all of this"


def _json(report: Report) -> dict[str, Any]:
    totals = {what: getattr(report, what) for what in ("files", "sequences", "events", "seconds")}
    return totals | {
        "left_out": report.refused,
        "read_as": report.understood,
        "mended_or_odd": report.remarks,
        "events_left_out": report.dropped,
        "cut_into_parts": report.cut,
        "near_duplicates": [dict(zip(pair._fields[:4], pair, strict=False)) for pair in report.duplicates],
        "columns_left_out": report.constants,
        "passed_over": report.passed,
    }
