import threading
import time
from collections.abc import Iterator

import pytest

from acrloss.images.threads import in_threads


def test_results_come_in_order() -> None:
    def slow_first(i: int) -> int:
        time.sleep(0.02 if i == 0 else 0)
        return i * i

    assert list(in_threads(slow_first, range(50))) == [i * i for i in range(50)]
    assert list(in_threads(slow_first, [])) == []


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100_000):
            taken.append(i)
            yield i

    results = in_threads(lambda i: i, items())
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 5000


def test_an_exception_comes_at_its_turn_and_stops_the_rest() -> None:
    begun: set[int] = set()
    lock = threading.Lock()

    def work(i: int) -> int:
        with lock:
            begun.add(i)
        if i == 3:
            raise ValueError("three")
        return i

    results = in_threads(work, range(100_000))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert len(begun) < 5000
