"""The record of every performance: where it is kept, for which models, and the rescue of those that a crash cut off."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from hachimachi.errors import HachimachiError, count
from hachimachi.live.instrument import LoadedModel
from hachimachi.live.midi.mapping import NoteNames
from hachimachi.live.protocols import Address, Listener, Note, Row
from hachimachi.live.record.journal import SUFFIXES, Journal, find_unfinished, finish, free, settle

FOLDER = Path("outputs/run")  # where performances are kept that nobody gave a name
EventKey = tuple[float, bytes]  # identifies an event that several performers heard: its time and its values


class JournalListener(Listener):
    """Writes what one performer, of index ``who`` in ``journal.who``, hears (of index 0) and plays into a journal. Who
    share a journal share ``shared``, what was heard last and by whom: what all hear at once is written once."""

    def __init__(self, journal: Journal, who: int = 1, shared: dict[EventKey, set[int]] | None = None) -> None:
        self._journal, self._who = journal, who
        self._shared: dict[EventKey, set[int]] = {} if shared is None else shared
        names = [feature.name for feature in journal.features]
        self._duration = names.index("duration") if "duration" in names else None
        self._names = NoteNames(journal.features)
        self._held: dict[Note, tuple[int, float]] = {}  # number of the event and when it began
        self._playing: dict[Note, tuple[int, float]] = {}  # likewise of the model's notes

    def began(self) -> None:
        """Begin a new sequence, if the present one has events."""
        self._held.clear()
        self._playing.clear()
        self._journal.begin()

    def heard(self, row: Row, at: float) -> None:
        """Write a player's event."""
        key = (at, row.tobytes())
        who = self._shared.get(key)
        if who is not None and self._who not in who:
            who.add(self._who)
            return
        self._shared.clear()
        self._shared[key] = {self._who}
        number = self._journal.event(at, 0, row)
        if self._duration is not None and math.isnan(row[self._duration]):
            note = self._names.of(row.tolist())
            if note is not None and 0 <= note.pitch < 128:
                self._held[note] = (number, at)

    def played(self, row: Row, at: float, asker: Address | None) -> None:  # noqa: ARG002  (of Listener)
        """Write a model's event."""
        number = self._journal.event(at, self._who, row)
        if self._duration is not None and (note := self._names.of(row.tolist())) is not None:
            self._playing[note] = number, at

    def ended(self, note: Note, at: float, early: bool) -> None:
        """Write the duration of a model's note that was cut short."""
        playing = self._playing.pop(note, None)
        if early and playing is not None and self._duration is not None:
            number, began = playing
            self._journal.amend(number, self._duration, max(0.0, at - began))

    def released(self, note: Note, at: float) -> None:
        """Write the duration of a player's note that was not known when it was heard."""
        held = self._held.pop(note, None)
        if held is not None and self._duration is not None:
            number, began = held
            self._journal.amend(number, self._duration, max(0.0, at - began))


def make_listeners(journal: Journal) -> list[JournalListener]:
    """Return a listener for each performer whose name is in ``journal.who``."""
    shared: dict[EventKey, set[int]] = {}
    return [JournalListener(journal, who, shared) for who in range(1, len(journal.who))]


class Logbook:
    """The journals of one performance: one that all models share if their events are alike, else one for each.
    ``path``: The data set to write; ``None`` for a new one in `FOLDER`. Raises as `Journal`."""

    def __init__(self, path: Path | None, models: Sequence[LoadedModel], warn: Callable[[str], None]) -> None:
        if path is None:
            try:
                FOLDER.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                why = error.strerror or error
                raise HachimachiError(f"{FOLDER}: cannot be made: {why}; say --log FILE or --log none") from error
            # two may begin in one second
            path = free(FOLDER / f"{datetime.now():%Y-%m-%d_%H-%M-%S}.json", with_journal=True)
        alike = len({tuple(feature.name for feature in model.player.features) for model in models}) == 1
        groups = [list(models)] if alike else [[model] for model in models]
        paths = [path] if alike else [path.with_stem(f"{path.stem}-{number}") for number in range(1, len(models) + 1)]
        self.journals: list[Journal] = []
        self.listeners: list[JournalListener] = []  # one for each model
        for path, group in zip(paths, groups, strict=True):
            who, path = ["you", *(model.name for model in group)], free(path)  # noqa: PLW2901  (the one that is free)
            rescue(find_unfinished(path), warn, path.with_stem(f"{path.stem}-rescued"))
            journal = Journal(path, group[0].player.features, who, warn=warn)
            self.journals.append(journal)
            self.listeners += make_listeners(journal)

    def flush(self) -> None:
        """Write what has happened since; a chore of the ensemble."""
        for journal in self.journals:
            journal.flush()

    def close(self) -> list[str]:
        """Write the data sets, once; return what came of each, in words, also of what stays in its journal."""
        journals, self.journals = self.journals, []
        lines: list[str] = []
        for journal in journals:
            try:
                finished = journal.close()
            except HachimachiError as error:
                lines.append(str(error))
                continue
            if finished.path is not None:
                lines += [f"kept {count(finished.events, 'event')} → {finished.path}", *finished.remarks]
                lines += [f"{count(journal.lost, 'event')} could not be written and are lost"] if journal.lost else []
        return lines


def rescue(journals: Sequence[Path], say: Callable[[str], None], path: Path | None = None) -> None:
    """Make data sets of performances that a crash cut off, at the path or where each was to be."""
    for journal in journals:
        try:
            finished = finish(journal, path)
        except HachimachiError as error:
            say(str(error))
        else:
            if finished.path:
                say(f"a performance was cut off; {count(finished.events, 'event')} rescued → {finished.path}")


def check_log(path: Path) -> None:
    """Raise `HachimachiError` for a log that cannot be written: its suffix, no such folder, or a file that is there."""
    if path.suffix.lower() not in SUFFIXES:
        raise HachimachiError(f"--log {path}: expected a name that ends in {' or '.join(SUFFIXES)}, or none")
    if not path.parent.is_dir():
        raise HachimachiError(f"--log {path}: there is no folder {path.parent} to write into; create it first")
    settle(path)
    if path.exists():
        raise HachimachiError(f"--log {path}: is there already and would be lost; name another file")
