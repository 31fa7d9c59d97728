"""map_in_order: results in order, few at a time, and no thread left behind."""

from __future__ import annotations

import threading
from threading import Event

import pytest

from adapters.candle_store.ordered_threads import map_in_order


def test_results_come_in_order_whichever_is_ready_first() -> None:
    second_is_done = Event()

    def work(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(10)
        elif number == 1:
            second_is_done.set()
        return number

    assert list(map_in_order(work, range(20), threads=2)) == list(range(20))


def test_no_more_is_begun_than_the_threads_and_one_result_that_waits() -> None:
    begun: list[int] = []
    results = map_in_order(lambda number: begun.append(number) or number, range(100), threads=3)
    for taken in range(1, 50):
        next(results)
        assert len(begun) <= taken + 3
    results.close()


@pytest.mark.parametrize("items", [1, 9])
def test_what_the_work_raises_is_raised_in_its_turn(items: int) -> None:
    def work(number: int) -> int:
        if number == items - 1:
            raise OSError(f"file {number} is damaged")
        return number

    results = map_in_order(work, range(items), threads=2)
    assert [next(results) for _ in range(items - 1)] == list(range(items - 1))
    with pytest.raises(OSError, match=f"file {items - 1} is damaged"):
        next(results)


def test_no_thread_outlives_an_iterator_that_is_closed_early_or_whose_work_fails() -> None:
    before = threading.active_count()
    results = map_in_order(lambda number: number, range(100), threads=4)
    next(results)
    results.close()
    assert threading.active_count() == before
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda number: 1 // number, [3, 2, 1, 0, 1, 2], threads=4))
    assert threading.active_count() == before
