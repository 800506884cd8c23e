"""What is measured of `hxmx run`: one function for each row of the table, or a few of them."""

from __future__ import annotations

import statistics
import time
from contextlib import ExitStack
from typing import NamedTuple

import numpy as np

from benchmarks.live_probe import Probe, Seconds, all_cores_busy
from benchmarks.live_schedule import drift, lateness, listen, should_play
from benchmarks.live_stage import SEED, Stage
from hachimachi.live.loop import realtime
from hachimachi.live.osc import encode


class Line(NamedTuple):
    """One row of the table."""

    what: str
    reached: str
    wanted: str
    holds: bool
    echo: str = ""


APART = 0.02
"""Seconds after the one before it from which an output waits for nothing but its time: those of chords, due at once,
wait for each other to be heard and drawn."""
GAP = 0.005
"""Seconds between an answer and the next event: long enough for a processor to fall asleep and forget."""


def round_trip(stage: Stage, busy: bool = False, fifo: bool = False, gap: float = GAP) -> list[Line]:
    """Time `/input` → `/output`, the model and the echo in turn."""
    options = ["--realtime"] if fifo else []
    blocks, count = (2, 100) if stage.quick else (10, 300)
    with ExitStack() as on_stage:
        model = on_stage.enter_context(stage.hxmx_run(stage.atemporal, *options))
        echo = on_stage.enter_context(stage.echo(*options))
        if busy:  # with real-time scheduling here, or it would be this program that waits
            on_stage.enter_context(realtime())
            on_stage.enter_context(all_cores_busy())
        model.round_trips(stage.rows, 50, 0.002)
        taken: list[tuple[Seconds, Seconds]] = []
        for _ in range(blocks):
            ours = model.round_trips(stage.rows, count, gap)
            taken.append((ours, echo.round_trips(stage.rows, count, gap, answer=b"/input")))
    ours, theirs = (np.concatenate(each) * 1e3 for each in zip(*taken, strict=True))
    p50, p99 = np.percentile(ours, [50, 99])
    what = (
        f"round trip, {gap * 1e3:.0f} ms apart"
        + (", all cores busy" if busy else ", idle machine")
        + (", --realtime" if fifo else "")
    )
    if not busy:
        return [Line(what, _ms(ours), "p50 ≤ 0.25 ms, p99 ≤ 1 ms", bool(p50 <= 0.25 and p99 <= 1), _ms(theirs))]
    most = 1 if fifo else 5
    return [Line(what, _ms(ours), f"p99 ≤ {most} ms", bool(p99 <= most), _ms(theirs))]


def scheduled(stage: Stage, hard: bool = False) -> list[Line]:
    """Compare what a model plays alone with when it should have played it."""
    seconds, options = 20.0 if stage.quick else 600.0, ["--realtime"] if hard else []
    with ExitStack() as on_stage:
        on_stage.enter_context(realtime())
        if hard:
            on_stage.enter_context(all_cores_busy())
        model = on_stage.enter_context(stage.hxmx_run(stage.temporal, "--loop", *options))
        heard = listen(model, seconds)
        told = [float(str(value)) for value in model.status()["late"]]
    due = should_play(stage.temporal, SEED, len(heard.times))
    late = lateness(heard, due) * 1e3
    apart = np.diff(due.times[: len(late)], prepend=-np.inf) > APART
    p99, most, drifted = float(np.percentile(late, 99)), 0.1 if hard else 0.5, drift(late[apart])
    what = f"{len(late):,} outputs in {seconds:.0f} s" + (", all cores busy, --realtime" if hard else "")
    by_hxmx = f"p50 {told[0]:.3f}, p99 {told[1]:.3f}, max {told[2]:.3f} ms"
    single = float(np.percentile(late[apart], 99))
    return [
        Line(f"lateness, {what}", _ms(late), f"p99 ≤ {most} ms", p99 <= most),
        Line(f"… {apart.sum():,} of them well apart", _ms(late[apart]), "", single <= most),
        Line("… by hxmx run's own count", by_hxmx, "", told[1] <= most),
        Line("… drift, last fifth against the first", f"{drifted * 1e3:+.0f} µs", "none", abs(drifted) <= 0.1),
    ]


def flood(stage: Stage) -> list[Line]:
    """Send more than can be answered, and see what becomes of it."""
    rate, seconds = 20_000, 2 if stage.quick else 10
    with stage.hxmx_run(stage.atemporal) as model:
        before = model.round_trips(stage.rows, 200, 0.005) * 1e3
        start, memory = model.status(), model.memory()
        sent, answers = _pour(model, stage, rate, seconds)
        time.sleep(0.1)
        model.drain()
        after = model.round_trips(stage.rows, 30, 0.0) * 1e3
        end, grown, lost = model.status(), model.memory() - memory, model.dropped()
    heard, answered, skipped = (int(str(end[k][0])) - int(str(start[k][0])) for k in ("heard", "answered", "skipped"))
    received = sent + len(after) - lost
    whole = answered + skipped == heard == received
    account = f"{heard:,} heard = {answered:,} + {skipped:,}; {lost:,} lost before"
    return [
        Line(
            f"flood of {rate:,} a second for {seconds} s",
            f"{answers / seconds:,.0f} answers/s",
            "≥ 1,000",
            answers >= 1000 * seconds,
        ),
        Line("… answered + skipped = received", account, "holds", whole),
        Line("… memory", f"{grown:+,} KiB", "does not grow", grown <= 1024),
        Line(
            "… 100 ms after it",
            _ms(after),
            f"as before: {_ms(before)}",
            bool(np.median(after) <= 1.5 * np.median(before)),
        ),
    ]


def _pour(model: Probe, stage: Stage, rate: int, seconds: int) -> tuple[int, int]:
    """Send at a rate, each millisecond its part; return how many were sent and how many answers came meanwhile."""
    packets = [encode("/input", *row) for row in stage.rows]
    sent = answers = 0
    start = time.perf_counter()
    while (now := time.perf_counter() - start) < seconds:
        while sent < min(now * rate, rate * seconds):
            model.wire.sendto(packets[sent % len(packets)], model.there)
            sent += 1
        answers += model.drain()
        time.sleep(0.001)
    return sent, answers


def idle(stage: Stage) -> list[Line]:
    """Look at a process that has nothing to do, and at its memory while it has much."""
    seconds, events = (5, 5_000) if stage.quick else (60, 36_000)
    with stage.hxmx_run(stage.atemporal) as model:
        time.sleep(2)
        used = model.processor_seconds()
        time.sleep(seconds)
        share = (model.processor_seconds() - used) / seconds
        model.round_trips(stage.rows, 2_000, 0.0)
        before = model.memory()
        model.round_trips(stage.rows, events, 0.0)
        grown, after = model.memory() - before, model.memory()
    return [
        Line(f"idle for {seconds} s", f"{share:.2%} of a core", "< 1 %", share < 0.01),
        Line(f"memory over {events:,} events", f"{grown:+,} KiB of {after:,}", "flat", grown <= 1024),
    ]


def start(stage: Stage) -> list[Line]:
    """Time from the command to ready; `make bench-start` has it beside what its imports take."""
    ours: list[float] = []
    for _ in range(3 if stage.quick else 9):
        with stage.hxmx_run(stage.temporal) as model:
            ours.append(model.ready_after)
    median = statistics.median(ours)
    return [Line("start to ready", f"{median:.2f} s", "≤ 0.45 s", median <= 0.45)]


def _ms(taken: Seconds) -> str:
    p50, p99 = np.percentile(taken, [50, 99])
    return f"p50 {p50:.3f}, p99 {p99:.3f} ms"
