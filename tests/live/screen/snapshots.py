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
    features = draw(FEATURES)
    size = len(shown(features))
    event = st.builds(
        ScreenEvent, MOMENTS, st.integers(0, CUT), st.lists(VALUES, min_size=size, max_size=size).map(tuple)
    ) | st.builds(ScreenEvent, MOMENTS, st.integers(-1, 5), st.lists(VALUES, max_size=3).map(tuple))
    return draw(
        st.builds(
            ModelState,
            name=TEXTS,
            features=st.just(features),
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
            events=st.lists(event, max_size=12).map(tuple),
        )
    )


def snapshots() -> st.SearchStrategy[Snapshot]:
    texts = st.lists(TEXTS, max_size=3).map(tuple)
    models = st.lists(model_states(), max_size=5).map(tuple)
    return st.builds(Snapshot, at=MOMENTS, hears=texts, plays_to=texts, models=models, lines=texts)
