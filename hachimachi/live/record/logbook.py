"""Every performance is kept: where, for which models, and what became of those that a crash cut off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from hachimachi.errors import HachimachiError, count
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.protocols import Address, Note, Row
from hachimachi.live.record.dataset import finish
from hachimachi.live.record.journal import Journal
from hachimachi.live.record.journal_file import SUFFIXES, find_unfinished, free

Heard = tuple[float, bytes]


class JournalListener:
    """The listener of one performer into a journal, which several may share.

    Several performers that hear the same event at the same moment note it once.

    Args:
        journal: Where to; who flushes it is not decided here.
        who: The performer's number in ``journal.who``, from 1; what it hears is of number 0.
        shared: What was heard last, and by which performers; shared by all that share a journal.
    """

    def __init__(self, journal: Journal, who: int = 1, shared: dict[Heard, set[int]] | None = None) -> None:
        self._journal, self._who = journal, who
        self._shared: dict[Heard, set[int]] = {} if shared is None else shared
        names = [feature.name for feature in journal.features]
        self._pitch, self._duration = (names.index(name) if name in names else None for name in ("pitch", "duration"))
        self._held: dict[int, tuple[int, float]] = {}  # pitch → number of the event and when it began

    def began(self) -> None:
        """A new sequence begins, if the last one has events."""
        self._held.clear()
        self._journal.begin()

    def heard(self, row: Row, at: float) -> None:
        """Note a player's event."""
        key = (at, row.tobytes())
        who = self._shared.get(key)
        if who is not None and self._who not in who:
            who.add(self._who)
            return
        self._shared.clear()
        self._shared[key] = {self._who}
        number = self._journal.event(at, 0, row)
        self._hold(row, number, at)

    def played(self, row: Row, at: float, asker: Address | None) -> None:  # noqa: ARG002  (an listener's signature)
        """Note a model's event."""
        self._journal.event(at, self._who, row)

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Nothing: a model's durations are known when its notes begin."""

    def released(self, pitch: int, at: float) -> None:
        """The person lets go of a note whose duration was not known when it was heard."""
        held = self._held.pop(pitch, None)
        if held is not None and self._duration is not None:
            number, began = held
            self._journal.amend(number, self._duration, max(0.0, at - began))

    def _hold(self, row: Row, number: int, at: float) -> None:
        if self._pitch is None or self._duration is None:
            return
        pitch, duration = float(row[self._pitch]), float(row[self._duration])
        if math.isnan(duration) and pitch.is_integer() and 0 <= pitch < 128:
            self._held[int(pitch)] = (number, at)


def make_listeners(journal: Journal) -> list[JournalListener]:
    """Return an listener for each performer whose name is in ``journal.who``."""
    shared: dict[Heard, set[int]] = {}
    return [JournalListener(journal, who, shared) for who in range(1, len(journal.who))]


FOLDER = Path("outputs/run")
"""Where performances are kept that nobody gave a name."""


class Logbook:
    """The journals of one performance: one that all models share if their events are alike, else one for each.

    Args:
        path: The data set to write, .json or .csv; ``None`` for a new one in `FOLDER`.
        parts: The models that play.
        told: Is told once that something cannot be written.

    Raises:
        HachimachiError: No place to write, or a suffix that is not .json or .csv.
    """

    def __init__(self, path: Path | None, parts: Sequence[LoadedModel], told: Callable[[str], None]) -> None:
        path = path or _new_path()
        alike = len({tuple(feature.name for feature in part.player.features) for part in parts}) == 1
        groups = [list(parts)] if alike else [[part] for part in parts]
        paths = [path] if alike else [path.with_stem(f"{path.stem}-{number}") for number in range(1, len(parts) + 1)]
        self.journals: list[Journal] = []
        self.listeners: list[JournalListener] = []
        """One for each model."""
        for place, group in zip(paths, groups, strict=True):
            who = ["you", *(part.name for part in group)]
            journal = Journal(free(place), group[0].player.features, who, temporal=True, told=told)
            self.journals.append(journal)
            self.listeners += make_listeners(journal)

    def flush(self) -> None:
        """Write what has happened since; a chore of the ensemble."""
        for journal in self.journals:
            journal.flush()

    def close(self) -> list[str]:
        """Write the data sets, once; return what came of each, in words.

        What cannot be written stays in its journal, and that is said.
        """
        journals, self.journals = self.journals, []
        return [line for journal in journals for line in _close(journal)]


def rescue(say: Callable[[str], None], folder: Path = FOLDER) -> None:
    """Make data sets of what a crash left in a folder."""
    for journal in find_unfinished(folder) if folder.is_dir() else []:
        try:
            finished = finish(journal)
        except HachimachiError as error:
            say(str(error))
        else:
            if finished.path:
                say(f"a performance was cut off; {count(finished.events, 'event')} rescued → {finished.path}")


def _new_path() -> Path:
    try:
        FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = error.strerror or error
        raise HachimachiError(f"{FOLDER}: cannot be made: {why}; say --log FILE or --log none") from error
    # two may begin in one second
    return free(FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.json", with_journal=True)


def check_log(path: Path) -> None:
    """Refuse a log that cannot be written, before models are loaded.

    Raises:
        HachimachiError: Another suffix than .json or .csv, no such folder, or a file that is there already.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise HachimachiError(f"--log {path}: expected a name that ends in {' or '.join(SUFFIXES)}, or none")
    if not path.parent.is_dir():
        raise HachimachiError(f"--log {path}: there is no folder {path.parent} to write into; create it first")
    if path.exists():
        raise HachimachiError(f"--log {path}: is there already and would be lost; name another file")


def _close(journal: Journal) -> list[str]:
    try:
        finished = journal.close()
    except HachimachiError as error:
        return [str(error)]
    if finished.path is None:
        return []
    lost = [f"{count(journal.lost, 'event')} could not be written and are lost"] if journal.lost else []
    return [f"kept {count(finished.events, 'event')} → {finished.path}", *finished.remarks, *lost]
