from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hachimachi.live.schedule import Scheduler

times = st.floats(-100, 100)


@given(st.lists(times), times)
def test_due_items_come_in_order_and_the_rest_stays(deadlines: list[float], now: float) -> None:
    scheduler = Scheduler[int]()
    for i, deadline in enumerate(deadlines):
        scheduler.add(deadline, i)
    due = scheduler.pop_due(now)
    expected = sorted((deadline, i) for i, deadline in enumerate(deadlines) if deadline <= now)
    assert due == expected
    later = [deadline for deadline in deadlines if deadline > now]
    assert (scheduler.first or [None])[0] == min(later, default=None)
    assert (scheduler.last or [None])[0] == max(later, default=None)
    assert scheduler.clear() == len(later)
    assert len(scheduler) == 0 and scheduler.first is None


def test_items_need_no_order_of_their_own() -> None:
    scheduler = Scheduler[object]()
    first, second = object(), object()
    scheduler.add(1.0, first)
    scheduler.add(1.0, second)
    assert [item for _, item in scheduler.pop_due(1.0)] == [first, second]
