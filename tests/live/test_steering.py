"""Steering: what is asked over the wire is done, answered and described, or refused and nothing has changed."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hachimachi.columns import Column, fit_columns
from hachimachi.constraints import Constraint
from hachimachi.live.protocols import Refused
from hachimachi.live.steering import ROUTES, Steering
from hachimachi.sampling import Sampling
from tests.conftest import Pieces

MINOR = Constraint.scale("C minor")


@pytest.fixture(scope="module")
def columns(make_pieces: Pieces) -> tuple[Column, ...]:
    """Time, pitch, velocity, duration and instrument: 0 and 1."""
    return fit_columns(make_pieces([60]))


@pytest.fixture
def steering(columns: tuple[Column, ...]) -> Steering:
    return Steering(columns, Sampling())


def asked(steering: Steering, *message: object) -> tuple[Sampling, list]:
    route, *values = message
    sampling, said = steering.obey(str(route), values)
    assert sampling is steering.sampling
    return sampling, said


def test_at_the_start_there_is_nothing_to_say(steering: Steering) -> None:
    assert steering.lines == []
    assert steering.sampling == Sampling()


@pytest.mark.parametrize("what", ["temperature", "top_p", "min_p"])
def test_numbers_for_all_and_by_name(steering: Steering, what: str) -> None:
    assert asked(steering, f"/{what}", 0.5)[1] == [(what, 0.5)]
    sampling, said = asked(steering, f"/{what}", "pitch", "0.8", 1.0, 1, "time", 0.25)  # 1: the feature velocity
    assert said == [(what, "pitch", 0.8), (what, "velocity", 1.0), (what, "time", 0.25)]
    found = {name: getattr(sampling.of(name), what) for name in steering.names}
    plain = {"temperature": 1, "top_p": 1, "min_p": 0}[what]
    assert found == {"time": 0.25, "pitch": 0.8, "velocity": 1.0, "duration": plain, "instrument": 0.5}
    asked(steering, f"/{what}", "velocity", 0.5)  # as all are: nothing is left to say of it
    assert steering.lines == [(what, 0.5), (what, "time", 0.25), (what, "pitch", 0.8)]
    assert asked(steering, f"/{what}", plain)[0] == Sampling()
    assert steering.lines == []


def test_single_precision_is_read_as_what_was_meant(steering: Steering) -> None:
    assert asked(steering, "/temperature", 0.800000011920929)[1] == [("temperature", 0.8)]
    assert asked(steering, "/constrain", "time", "values", 0.10000000149011612)[1][0][-1] == 0.1


def test_constraints_of_a_kind_replace_and_different_kinds_hold_together(steering: Steering) -> None:
    _, said = asked(steering, "/constrain", "pitch", "scale", "C", "minor")
    assert said == [("constrain", "pitch", "scale", "C minor")]
    asked(steering, "/constrain", "0", "range", 48.0, "72")
    sampling, said = asked(steering, "/constrain", 0, "range", 60, "-")
    assert said == [("constrain", "pitch", "range", 60.0, "-")]
    assert sampling.constraints == {"pitch": MINOR & Constraint.between(60, math.inf)}
    sampling, _ = asked(steering, "/constrain", "pitch", "scale", " G  major ")
    assert sampling.constraints == {"pitch": Constraint.scale("G major") & Constraint.between(60, math.inf)}
    asked(steering, "/constrain", "instrument", "only", 1)
    assert steering.lines == [
        ("constrain", "pitch", "range", 60.0, "-"),
        ("constrain", "pitch", "scale", "G major"),
        ("constrain", "instrument", "values", 1.0),
    ]


@pytest.mark.parametrize("low", ["-", None, -math.inf, "-inf"])
def test_open_ends(steering: Steering, low: object) -> None:
    assert asked(steering, "/constrain", "pitch", "range", low, 70)[0].constraints["pitch"].allows(-1e6)
    for high in ("-", None, math.inf):
        assert asked(steering, "/constrain", "pitch", "range", 50, high)[1] == [
            ("constrain", "pitch", "range", 50, "-")
        ]


def test_release(steering: Steering) -> None:
    def hold() -> None:
        asked(steering, "/constrain", "pitch", "scale", "C# dorian")
        asked(steering, "/constrain", "pitch", "range", 48, 72)
        asked(steering, "/constrain", "velocity", "values", *range(80, 90))

    hold()
    assert asked(steering, "/release", "pitch", "range")[1] == [("release", "pitch", "range")]
    assert steering.lines[0] == ("constrain", "pitch", "scale", "C# dorian")
    assert asked(steering, "/release", "pitch")[1] == [("release", "pitch", "scale")]
    assert asked(steering, "/release", "pitch")[1] == [("release", "nothing")]
    assert [line[:3] for line in steering.lines] == [("constrain", "velocity", "values")]
    hold()
    assert len(asked(steering, "/release")[1]) == 3
    assert steering.lines == []


def test_a_line_lists_all_values(steering: Steering) -> None:
    line = asked(steering, "/constrain", "velocity", "values", *range(80, 127))[1][0]
    assert line[3:] == (*range(80, 127),)


def test_polyphony(steering: Steering) -> None:
    assert asked(steering, "/polyphony", 3.0)[0].polyphony == 3
    assert steering.lines == [("polyphony", 3)]
    assert asked(steering, "/polyphony", "0") == (Sampling(), [("polyphony", 0)])


def test_the_start_is_released_too(columns: tuple[Column, ...]) -> None:
    pitch = Constraint.scale("A minor") & Constraint.between(40, 80)
    odd = Constraint(((70.0, 80.0), (90.0, 100.0)))
    start = Sampling({"pitch": 0.8}, min_p=0.02, constraints={"pitch": pitch, "velocity": odd}, polyphony=2)
    steering = Steering(columns, start)
    assert steering.sampling.constraints == start.constraints
    assert steering.sampling.of("pitch") == start.of("pitch")
    assert steering.sampling.of("time") == start.of("time")
    assert steering.lines == [
        ("temperature", "pitch", 0.8),
        ("min_p", 0.02),
        ("constrain", "pitch", "range", 40, 80),
        ("constrain", "pitch", "scale", "A minor"),
        ("constrain", "velocity", "start", 70, 90),
        ("polyphony", 2),
    ]
    asked(steering, "/constrain", "pitch", "scale", "G", "major")
    assert steering.sampling.constraints["pitch"] == Constraint.scale("G major") & Constraint.between(40, 80)
    asked(steering, "/release")
    assert steering.sampling.constraints == {}


THERE = "there are time, pitch, velocity, duration, instrument; features also by number, 0 to 3"


@pytest.mark.parametrize(
    ("kind", "message", "said"),
    [
        ("length", ["/temperature"], "0 values, expected X for all or NAME X"),
        ("length", ["/temperature", "pitch", 0.8, "time"], "3 values"),
        ("value", ["/temperature", 101], "temperature is 101.0; expected a number from 0 to 100"),
        ("value", ["/top_p", "pitch", 0], "/top_p: top_p is 0.0; expected a number above 0"),
        ("name", ["/temperature", "pich", 0.8], f"/temperature: no feature is called 'pich'; {THERE}"),
        ("name", ["/temperature", 4, 0.8], f"no feature is called 4; {THERE}"),
        ("name", ["/temperature", 0.5, 0.8], "no feature is called 0.5"),
        ("type", ["/temperature", "pitch", b"1"], "/temperature: pitch is b'1', expected a number"),
        ("type", ["/temperature", True], "is True, expected a number"),
        ("finite", ["/min_p", math.nan], "/min_p is nan, expected a finite number"),
        ("value", ["/polyphony", 1.5], "/polyphony is 1.5, expected a whole number of notes"),
        ("value", ["/polyphony", -1], "expected a whole number of notes, 0 for any"),
        ("length", ["/polyphony"], "0 values, expected the number of notes"),
        ("length", ["/constrain", "pitch", "range"], "expected NAME range LOW HIGH, NAME values V … or NAME scale"),
        ("length", ["/constrain", "pitch", "range", 1], "/constrain pitch range has 1 value, expected LOW HIGH"),
        ("value", ["/constrain", "pitch", "key", "C"], "the kind is 'key', expected range, scale, values"),
        ("type", ["/constrain", "pitch", 3, "C"], "the kind is 3, expected a word"),
        ("size", ["/constrain", "pitch", "range", 0, 1e300], r"high is 1e\+300, expected at most 1e\+09 in size"),
        ("value", ["/constrain", "pitch", "range", 70, 60], "expected the lower number first"),
        ("value", ["/constrain", "pitch", "range", "-", "-"], "both ends are open, .* /release lifts a range"),
        ("length", ["/constrain", "pitch", "values", *range(10_000)], "10,000 values, expected at most 512"),
        ("value", ["/constrain", "pitch", "scale", "H", "minor"], "scale 'H minor': expected a note and a scale"),
        ("value", ["/constrain", "pitch", "scale", "\x1b[2J"], r"'\\x1b\[2J': expected a note and a scale"),
        ("size", ["/constrain", "pitch", "scale", "C" * 9999], "expected a note and a scale, such as C minor"),
        ("type", ["/constrain", "pitch", "scale", 60], "/constrain pitch scale is 60, expected a word"),
        ("value", ["/constrain", "velocity", "scale", "C"], "velocity: scale C is of notes; expected pitch"),
        ("value", ["/constrain", "time", "scale", "C"], "time: scale C is of notes; expected pitch"),
        ("value", ["/constrain", "instrument", "values", 7], "allowed by values 7; expected one of 0, 1"),
        ("value", ["/constrain", "pitch", "range", 60.1, 60.9], "by range 60.1 60.9; expected .* in steps of 1"),
        ("value", ["/constrain", "duration", "range", 61, 70], "expected within 0 to 60"),
        ("length", ["/release", "pitch", "range", 1], "expected nothing, NAME or NAME KIND"),
        ("value", ["/release", "pitch", "key"], "expected range, scale, values$"),
        ("route", ["/tempo", 1], "'/tempo' is unknown, expected one of /temperature, /top_p"),
    ],
)
def test_what_cannot_be_obeyed(steering: Steering, kind: str, message: list, said: str) -> None:
    asked(steering, "/temperature", "pitch", 0.9)
    before = steering.request, steering.sampling
    with pytest.raises(Refused, match=said) as refused:
        asked(steering, *message)
    assert refused.value.kind == kind
    assert (steering.request, steering.sampling) == before


def test_a_contradiction_names_both(steering: Steering) -> None:
    asked(steering, "/constrain", "pitch", "range", 50, 70)
    asked(steering, "/constrain", "pitch", "scale", "C major")
    with pytest.raises(
        Refused, match="can play is allowed by range 50 70 and scale C major and values 61 63; expected"
    ):
        asked(steering, "/constrain", "pitch", "values", 61, 63)
    assert len(steering.lines) == 2


def test_polyphony_needs_notes(make_pieces: Pieces) -> None:
    (piece,) = make_pieces([60])
    steering = Steering(fit_columns([type(piece)(piece.features, piece.data)]), Sampling())
    with pytest.raises(Refused, match="/polyphony: polyphony needs time and a feature named duration"):
        asked(steering, "/polyphony", 2)


WORDS = st.sampled_from(
    ["time", "pitch", "velocity", "instrument", "0", "range", "values", "only", "scale", "start", "C minor", "F#", "-"]
)
NUMBERS = st.sampled_from([0, 0.0, 0.5, 1, 2.0, 48, 60, 61, 70.0, math.inf, -math.inf, math.nan, 1e300, 10**400])
ANYTHING = st.one_of(st.text(max_size=6), st.floats(), st.integers(), st.binary(max_size=4), st.booleans(), st.none())
ODD = st.one_of(ANYTHING, st.lists(ANYTHING, max_size=2), st.just("9" * 500), st.just("\ud800"), st.just((0, 1, 2, 3)))
VALUES = st.lists(st.one_of(WORDS, NUMBERS, ODD), max_size=6)
SENSIBLE = st.tuples(WORDS, st.sampled_from(["range", "values", "scale"]), NUMBERS | WORDS, NUMBERS | WORDS)
MESSAGES = st.lists(st.tuples(st.sampled_from([*ROUTES, "/", ""]), VALUES | SENSIBLE), max_size=8)


@settings(max_examples=300, deadline=None)
@given(messages=MESSAGES)
def test_whatever_is_sent_is_obeyed_or_refused(columns: tuple[Column, ...], messages: list) -> None:
    steering = Steering(columns, Sampling())
    for route, values in messages:
        before = steering.request, steering.sampling, steering.lines
        try:
            sampling, said = steering.obey(route, values)
        except Refused as refused:
            assert len(str(refused)) < 600
            assert str(refused).isprintable()
            assert (steering.request, steering.sampling, steering.lines) == before
        else:
            sampling.check(columns)
            assert said
            assert all(isinstance(word, str | float | int) for line in said + steering.lines for word in line)
            assert Steering(columns, sampling).lines == steering.lines
