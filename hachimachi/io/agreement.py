"""One set of features for what comes from many files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hachimachi.errors import HachimachiError
from hachimachi.events import TIME, EventSequence, Feature
from hachimachi.io.report import Report

_DECLARED = ("kind", "min", "max", "resolution")
Features = tuple[Feature, ...]


@dataclass(frozen=True)
class Found:
    """What a file gave.

    Args:
        name: How the file is called.
        sequences: At least one, all with the same features.
        notes: Whether they are notes of a MIDI file for which nobody chose the columns.
    """

    name: str
    sequences: list[EventSequence]
    notes: bool = False

    @property
    def features(self) -> Features:
        """Of each of its sequences."""
        return self.sequences[0].features

    @property
    def temporal(self) -> bool:
        """Whether its events carry time."""
        return self.sequences[0].temporal


@dataclass
class _Party:
    """Files that agree, and what all of them together declare."""

    features: Features
    temporal: bool
    members: list[Found]


def keep_agreeing(found: Sequence[Found], report: Report) -> list[Found]:
    """Return the files that agree in features with most others, with the same features in all of them.

    Names, masks and whether there is time must be the same, and what is declared of a feature must not differ: what one
    file leaves open, as CSV does, another may say.

    Args:
        found: At least one.
        report: Takes note of the others.

    Raises:
        HachimachiError: No set of features has more files than any other.
    """
    parties = _form_parties(found)
    most = parties[0]
    if len(parties) > 1 and len(parties[1].members) == len(most.members):
        pair = f"{parties[1].members[0].name} and {most.members[0].name} differ in features"
        difference = _difference(parties[1], most)
        raise HachimachiError(f"{pair}: {difference}; as many files are of the one as of the other: read them apart")
    share = f"as in {len(most.members):,} of {len(found):,} files"
    for party in parties[1:]:
        difference = _difference(party, most)
        for member in party.members:
            report.refuse(member.name, f"{difference} {share}")
    return [_give_features(member, most.features) for member in most.members]


def _form_parties(found: Sequence[Found]) -> list[_Party]:
    """Return who agrees with whom, the most first, each in the order of the files."""
    alike: dict[tuple[Features, bool], list[Found]] = {}
    for each in found:
        alike.setdefault((each.features, each.temporal), []).append(each)
    parties: list[_Party] = []
    for (features, temporal), members in sorted(alike.items(), key=lambda item: -len(item[1])):
        for party in parties:
            if party.temporal == temporal and (united := _unite(party.features, features)):
                party.features = united
                party.members += members
                break
        else:
            parties.append(_Party(features, temporal, list(members)))
    place = {id(each): i for i, each in enumerate(found)}
    for party in parties:
        party.members.sort(key=lambda each: place[id(each)])
    return sorted(parties, key=lambda party: -len(party.members))


def _unite(one: Features, other: Features) -> Features | None:
    """Return what two files declare together, or ``None`` if they contradict each other."""
    if [(f.name, f.masked) for f in one] != [(f.name, f.masked) for f in other]:
        return None
    try:
        return tuple(_unite_two(*pair) for pair in zip(one, other, strict=True))
    except HachimachiError:
        return None


def _unite_two(one: Feature, other: Feature) -> Feature:
    values = {key: (getattr(one, key), getattr(other, key)) for key in _DECLARED}
    for key, (first, second) in values.items():
        if first is not None and second is not None and first != second:
            raise HachimachiError(f"{key} of {one.name!r} differs: {first} and {second}")
    if "categorical" in values["kind"] and None in values["kind"]:  # every format can say that a column is one
        raise HachimachiError(f"{one.name!r} is categorical in one only")
    return replace(one, **{key: second if first is None else first for key, (first, second) in values.items()})


def _difference(party: _Party, expected: _Party) -> str:
    """Say in what files differ from what is expected."""
    columns, wanted = _columns(party), _columns(expected)
    if columns != wanted:
        return f"found the columns {columns}, expected {wanted}"
    for one, other in zip(party.features, expected.features, strict=True):
        for key in _DECLARED:
            value, wanted_value = getattr(one, key), getattr(other, key)
            if None not in (value, wanted_value) and value != wanted_value:
                return f"{one.name!r}: found {key} {value}, expected {wanted_value}"
    raise AssertionError("they differ in nothing")


def _columns(party: _Party) -> str:
    marked = ("~" * f.masked + f.name + "#" * (f.kind == "categorical") for f in party.features)
    return ",".join([TIME] * party.temporal + list(marked))


def _give_features(found: Found, features: Features) -> Found:
    if found.features == features:
        return found
    return replace(found, sequences=[replace(sequence, features=features) for sequence in found.sequences])
