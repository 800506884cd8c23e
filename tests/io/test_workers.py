"""Work in other processes: in order, on its own, and without end for a process that dies."""

from __future__ import annotations

import os
import time
from contextlib import closing

import pytest

from hachimachi.io import many
from hachimachi.io.many import cores, spread

DIE = "__import__('os').kill(__import__('os').getpid(), 9)"
SLEEP = "__import__('time').sleep(60)"


def lose(item: str, how: str) -> str:
    return f"{len(item)} lost: {how}"


def test_results_come_in_the_order_of_the_items() -> None:
    items = [f"{number} * 2" for number in range(40)]
    assert list(spread(eval, items, lose, 3)) == [number * 2 for number in range(40)]


def test_processes_are_others_and_live_on() -> None:
    found = list(spread(eval, ["__import__('os').getpid()"] * 12, lose, 2))
    assert os.getpid() not in found
    assert len(set(found)) <= 2


@pytest.mark.skipif(os.name == "nt", reason="a signal is a status there")
def test_a_process_that_dies_takes_one_item_with_it() -> None:
    items = [DIE if number % 5 == 2 else str(number) for number in range(20)]
    found = list(spread(eval, items, lose, 2))
    assert found == [f"{len(DIE)} lost: killed by signal 9" if n % 5 == 2 else n for n in range(20)]
    [ended] = spread(eval, ["__import__('os')._exit(3)"], lose, 1)
    assert ended.endswith("ended with status 3")


def test_an_exception_is_the_end_of_a_process_and_no_more(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(spread(eval, ["1 / 0", "1"], lose, 1)) == ["5 lost: ended with status 1", 1]
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_what_is_printed_does_not_come_between_the_answers(capfd: pytest.CaptureFixture[str]) -> None:
    assert list(spread(eval, ["print('hello') or 1", "2"], lose, 1)) == [1, 2]
    assert capfd.readouterr() == ("", "hello\n")


def test_to_close_it_ends_everything_at_once() -> None:
    start = time.monotonic()
    with closing(spread(eval, ["1", SLEEP, SLEEP, SLEEP], lose, 2)) as results:
        assert next(results) == 1
    assert time.monotonic() - start < 30  # far less than one of them sleeps


@pytest.mark.parametrize("executable", ["", "/there/is/no/python"])
def test_where_no_process_can_be_started_the_work_is_done_here(
    monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr(many.sys, "executable", executable)
    assert list(spread(eval, ["__import__('os').getpid()"] * 3, lose, 2)) == [os.getpid()] * 3


def test_a_program_that_is_no_python_is_not_asked_for_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_START", "print('something else')")
    assert list(spread(eval, ["1", "2"], lose, 2)) == [1, 2]


def test_there_is_at_least_one_core() -> None:
    assert 1 <= cores() <= (os.cpu_count() or 1)
