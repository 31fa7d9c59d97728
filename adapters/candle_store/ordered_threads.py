"""Work done in threads, its results handed over one by one in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(work: Callable[[Item], Result], items: Sequence[Item], threads: int) -> Generator[Result, None, None]:
    """Like `map`, with at most `threads` items in work and one more result waiting.

    The threads begin with the first result asked for. They are gone when the last one was given, when the
    work fails, and when the iterator is closed or dropped.
    """
    if len(items) < 2:
        yield from map(work, items)
        return
    begun: deque[Future[Result]] = deque()
    # Threads of this call alone: a pool that is kept would not survive a fork.
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > threads:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()
