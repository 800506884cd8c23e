"""Reading files, one or many: on all cores, in their order, and none of them ends the others."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from hachimachi.errors import HachimachiError
from hachimachi.events import EventSequence, check_alike
from hachimachi.io.agreement import Found
from hachimachi.io.cut import PART
from hachimachi.io.formats import READERS, find_module, is_midi
from hachimachi.io.midi_options import MidiOptions
from hachimachi.io.own import FORMATS
from hachimachi.io.report import Report
from hachimachi.io.workers import cores, spread

DEFAULT = MidiOptions()
APART = 6_000_000
"""Bytes from which on it is worth while to start processes that read."""
TOGETHER = 200_000
"""Bytes of files that are read together: more of them would keep the other cores waiting at the end."""
Progress = Callable[[Sequence[Path]], Iterable[Path]]


class Job(NamedTuple):
    """A file to read.

    Args:
        path: Where it is.
        name: How it is called.
        midi: What to read of it if it is a MIDI file.
    """

    path: Path
    name: str
    midi: MidiOptions = DEFAULT

    @property
    def notes(self) -> bool:
        """Whether it is a MIDI file of which nobody chose the columns."""
        return is_midi(self.path) and self.midi.columns is None and not self.midi.controls

    @property
    def size(self) -> int:
        """Bytes; 0 for what is not there."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0


Batch = Sequence[Job]
Outcome = tuple[list[list[EventSequence]], Report]
"""What each file of a batch gave, nothing where it was left out; and what happened to them."""


def read_one(job: Job, report: Report) -> list[EventSequence]:
    """Read one file.

    Raises:
        HachimachiError: It cannot be read, or holds no events that can; the message begins with its path.
    """
    try:
        _check_there(job.path)
        format_module = find_module(job.path, READERS, "read")
        options = {"options": job.midi} if is_midi(job.path) else {}
        return _name(job, format_module.parse(_load(job), job.name, report, **options))
    except HachimachiError as error:
        raise HachimachiError(f"{job.path}: {str(error).removeprefix(f'{job.path}: ')}") from error


def read_each(jobs: Sequence[Job], report: Report, progress: Progress = iter) -> list[Found]:
    """Read several files; one that cannot be read, for whatever reason, is left out.

    Raises:
        HachimachiError: None could be read.
    """
    found: list[Found] = []
    with closing(_outcomes(jobs, report)) as outcomes:
        for job, _ in zip(jobs, progress([job.path for job in jobs]), strict=True):
            sequences = next(outcomes)
            found += [Found(job.name, sequences, job.notes)] if sequences else []
    if not found:
        first = next(iter(report.refused.items()))
        raise HachimachiError(f"none of {len(jobs):,} files could be read; the first: {': '.join(first)}")
    return found


def _outcomes(jobs: Sequence[Job], report: Report) -> Generator[list[EventSequence]]:
    """Give what each file gave, in their order: read here, or on all cores if that is faster."""
    batches = list(_batches(jobs))
    own = any(job.path.suffix.lower() in FORMATS for job in jobs)  # of a plug-in, which other processes do not load
    count = min(cores(), len(batches)) if sum(job.size for job in jobs) >= APART and not own else 1
    results = spread(_try, batches, _lose, count) if count > 1 else (_try(batch) for batch in batches)
    with closing(results):
        for sequences, of_batch in results:
            report.add(of_batch)
            yield from sequences


def _batches(jobs: Sequence[Job]) -> Iterator[Batch]:
    """Put MIDI files that follow each other together, for those are read faster so; others go one by one."""
    batch: list[Job] = []
    size = 0
    for job in jobs:
        if batch and not (is_midi(job.path) and is_midi(batch[-1].path) and size + job.size <= TOGETHER):
            yield batch
            batch, size = [], 0
        batch.append(job)
        size += job.size
    yield batch


def _try(batch: Batch) -> Outcome:
    """Read files; say of each that cannot be read why."""
    report = Report()
    try:
        return [_settle(job, result, report) for job, result in _parse(batch, report)], report
    except Exception as error:
        if len(batch) > 1:
            return _merge([_try([job]) for job in batch])
        reason = f"cannot be read, through a mistake of hachimachi's: {error!r}; please report it with the file"
        return [[]], Report(refused={batch[0].name: reason})


def _parse(batch: Batch, report: Report) -> Iterator[tuple[Job, list[EventSequence] | HachimachiError]]:
    if len(batch) == 1:
        try:
            yield batch[0], read_one(batch[0], report)
        except HachimachiError as error:
            yield batch[0], error
        return
    from hachimachi.io.midi import parse_many

    loaded = [(job, _try_load(job)) for job in batch]
    whole = [(data, job.name) for job, data in loaded if isinstance(data, bytes)]
    parsed = parse_many(whole, report, batch[0].midi)
    for job, data in loaded:
        result = data if isinstance(data, HachimachiError) else next(parsed)
        yield job, result if isinstance(result, HachimachiError) else _name(job, result)


def _settle(job: Job, result: list[EventSequence] | HachimachiError, report: Report) -> list[EventSequence]:
    if not isinstance(result, HachimachiError):
        return result
    report.refuse(job.name, str(result).removeprefix(f"{job.path}: "))
    return []


def _merge(outcomes: Iterable[Outcome]) -> Outcome:
    whole, report = [], Report()
    for sequences, of_part in outcomes:
        whole += sequences
        report.add(of_part)
    return whole, report


def _lose(batch: Batch, how: str) -> Outcome:
    """Say that a process died of a file; of several, find out which, so that no more than one is lost."""
    if len(batch) > 1:
        return _merge(spread(_try, [[job] for job in batch], _lose, 1))
    reason = f"the process that read it died ({how}); is there memory enough for a file of {batch[0].size:,} bytes?"
    return [[]], Report(refused={batch[0].name: reason})


def _check_there(path: Path) -> None:
    if not os.path.exists(path):  # noqa: PTH110  (Path.exists raises for a name too long)
        raise HachimachiError("the link leads nowhere" if os.path.lexists(path) else "there is no such file or folder")


def _load(job: Job) -> bytes:
    _check_there(job.path)
    try:
        data = job.path.read_bytes()
    except OSError as error:
        raise HachimachiError(f"cannot be read: {error.strerror or error}") from error
    if not data:
        raise HachimachiError("the file is empty")
    return data


def _try_load(job: Job) -> bytes | HachimachiError:
    try:
        return _load(job)
    except HachimachiError as error:
        return error


def _name(job: Job, sequences: list[EventSequence]) -> list[EventSequence]:
    """Call sequences that have no name as their file, with a number if there are several."""
    check_alike(sequences)
    several = len(sequences) > 1
    return [
        sequence if sequence.name else replace(sequence, name=f"{job.name}{PART}{number}" if several else job.name)
        for number, sequence in enumerate(sequences, 1)
    ]
