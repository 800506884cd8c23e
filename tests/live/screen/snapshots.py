"""Snapshots made up by hypothesis, as odd as what a network and a file system can send."""

from __future__ import annotations

from hypothesis import strategies as st

from hachimachi.live.screen.snapshot import CUT, ModelState, ScreenEvent, Snapshot, shown

ODD_TEXTS = ["\x1b[2J\x07", "[red]bold[/red]", "[/]", "名前.pt", "\ud800", "a\nb\rc\t"]
TEXTS = st.text(max_size=30) | st.sampled_from(ODD_TEXTS)
COUNTS = st.integers(0, 10**9)
MOMENTS = st.floats(0, 60) | st.floats()
VALUES = st.floats(0, 127) | st.floats()
FEATURES = st.sampled_from([("pitch",), ("pitch", "velocity", "duration"), ("x",), tuple("abcdefghijkl")]) | st.lists(
    TEXTS, min_size=1, max_size=12
).map(tuple)


@st.composite
def model_states(draw: st.DrawFn) -> ModelState:
    return draw(
        st.builds(
            ModelState,
            name=TEXTS,
            features=FEATURES,
            mode=TEXTS,
            state=TEXTS,
            steering=st.lists(TEXTS, max_size=4).map(tuple),
            heard=COUNTS,
            skipped=COUNTS,
            played=COUNTS,
            cancelled=COUNTS,
            refused=COUNTS,
            pending=COUNTS,
            late=st.none() | st.tuples(st.floats(), st.floats(), st.floats()),
        )
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    texts = st.lists(TEXTS, max_size=3).map(tuple)
    models = draw(st.lists(model_states(), max_size=5).map(tuple))
    odd = st.builds(ScreenEvent, MOMENTS, st.integers(-1, 7), st.lists(VALUES, max_size=3).map(tuple))
    events: list[ScreenEvent] = []
    for i, model in enumerate(models):
        size = len(shown(model.features))
        values = st.lists(VALUES, min_size=size, max_size=size).map(tuple)
        event = st.builds(ScreenEvent, MOMENTS, st.integers(0, CUT), values, COUNTS, st.just(i)) | odd
        events += draw(st.lists(event, max_size=12))
    status = st.lists(st.lists(TEXTS | VALUES, max_size=3).map(tuple), max_size=2).map(tuple)
    rest = {"hears": texts, "plays_to": texts, "lines": texts, "status": status}
    return draw(
        st.builds(Snapshot, at=MOMENTS, models=st.just(models), events=st.just(tuple(events)), **rest)  # type: ignore[arg-type]
    )
