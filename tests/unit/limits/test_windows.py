from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.ledger import PermitLedger
from domain.limits.rates import Counts, RateLimit
from domain.limits.windows import Departures

Entry = tuple[int, int]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1), st.data())
def test_departures_are_what_a_sorted_list_of_them_says(entries: list[Entry], data: st.DataObject) -> None:
    departures, plain = Departures(), list[Entry]()
    now = -1
    for moment, cost in entries:
        departures.add(moment, cost)
        plain.append((moment, cost))
        if data.draw(st.booleans()):
            gone = data.draw(st.sampled_from(plain))
            departures.remove(*gone)
            plain.remove(gone)
        if data.draw(st.booleans()):
            now = max(now, data.draw(st.integers(0, 40)))
            assert departures.leave(now) == sum(cost for moment, cost in plain if moment <= now)
            plain = [entry for entry in plain if entry[0] > now]
        if plain:
            amount = data.draw(st.integers(1, sum(cost for _, cost in plain)))
            moments = sorted({moment for moment, _ in plain})
            enough = (moment for moment in moments if sum(c for at, c in plain if at <= moment) >= amount)
            assert departures.when_left(amount) == next(enough)


def test_what_has_left_is_forgotten_so_that_a_ledger_does_not_grow() -> None:
    departures = Departures()
    for moment in range(100_000):
        departures.add(moment, 1)
        assert departures.leave(moment - 100) <= 1
    assert len(departures._moments) < 3_000


def test_a_heavy_request_waits_until_enough_light_ones_have_left() -> None:
    ledger = PermitLedger([RateLimit(100, 10.0, Counts.WEIGHT)])
    for number in range(100):
        ledger.grant(str(number), 1, number / 100, 5.0)
        ledger.complete(str(number), number / 100, number / 100)
    assert 1.0 + ledger.wait_seconds(60, 1.0) == pytest.approx(0.59 + 10.011)
    assert 1.0 + ledger.wait_seconds(1, 1.0) == pytest.approx(0.0 + 10.011)
