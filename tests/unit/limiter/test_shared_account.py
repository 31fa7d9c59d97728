"""Other programs on the account: what the broker tells makes us slow down, and our own use alone never does."""

from __future__ import annotations

import asyncio

import pytest

from actors.limiter.account import PermitAccount
from adapters.in_memory.permits import InMemoryPermitRecord, PermitMemory
from domain.limits.messages import Completion, Outcome, PermitRequest, WindowStatus
from domain.limits.rates import Counts
from domain.limits.usage import BrokerUsage
from tests.unit.limiter.limiter_bench import RemoteCalls, account, client_of, granted_of, limiter_of, now
from tests.unit.limiter.shared_account import OURS, THEIRS, CountingBroker

MINUTE = "300w/60s"


async def run(broker: CountingBroker, limits: tuple[str, ...], count: int = 600, per_second: float = 0.0) -> float:
    """So many requests of ours beside so many a second of another program; the seconds that ours took."""
    ended = asyncio.Event()
    others = [asyncio.ensure_future(broker.others(per_second, 2, ended.is_set))] if per_second else []
    client = client_of(RemoteCalls(limiter_of(*limits), seed=1))
    seconds = await broker.requests(client, count)
    ended.set()
    await asyncio.gather(*others)
    return seconds


@pytest.mark.parametrize("calendar", [False, True], ids=["sliding minutes", "calendar minutes"])
@pytest.mark.parametrize("limits", [(MINUTE,), (MINUTE, "15/1s"), (MINUTE, "40/10s")])
@pytest.mark.parametrize("median_seconds", [0.02, 0.6])
async def test_alone_on_the_account_what_the_broker_tells_costs_nothing(
    limits: tuple[str, ...], calendar: bool, median_seconds: float
) -> None:
    silent = CountingBroker(*limits, is_silent=True, median_seconds=median_seconds)
    seconds = await run(silent, limits)
    telling = CountingBroker(*limits, calendar=calendar, median_seconds=median_seconds)
    assert await run(telling, limits) == pytest.approx(seconds)
    assert telling.refused[OURS] == silent.refused[OURS] == 0


async def test_beside_another_program_we_slow_down_before_the_broker_refuses() -> None:
    telling, silent = CountingBroker(MINUTE), CountingBroker(MINUTE, is_silent=True)
    await run(telling, (MINUTE,), per_second=1.0)
    assert telling.refused[OURS] < 12
    await run(silent, (MINUTE,), per_second=1.0)
    assert silent.refused[OURS] > 20 * telling.refused[OURS], "without being told we run into it again and again"


async def test_another_program_gets_on_beside_us() -> None:
    broker = CountingBroker(MINUTE)
    await run(broker, (MINUTE,), count=900, per_second=1.0)
    late = [one for one in broker.log.arrivals if one.at_seconds > 120 and one.client == THEIRS]
    assert len(late) > 100
    assert broker.refused[THEIRS] < 0.3 * len(late)


async def test_when_the_other_program_ends_we_get_its_part_back_a_window_later_and_no_sooner() -> None:
    broker, limiter = CountingBroker(MINUTE), limiter_of(MINUTE)
    client = client_of(limiter)
    others = asyncio.ensure_future(broker.others(2.0, 2, lambda: now() > 60))
    await asyncio.sleep(59)
    await broker.request(client)
    await others
    [window] = (await limiter.status()).windows
    assert window.others > 150
    ended_at = now()
    while (await limiter.status()).windows[0].others:
        assert now() < ended_at + 62
        await asyncio.sleep(0.1)
    assert now() > 59 + 60
    began = now()
    await broker.requests(client, 149, workers=16)
    assert now() - began < 10, "a whole window is ours again"
    assert broker.refused[OURS] == 0


async def test_status_shows_what_others_use_and_an_agreement_on_stricter_limits_keeps_it() -> None:
    broker, limiter = CountingBroker(MINUTE, median_seconds=0.01), limiter_of(MINUTE)
    client = client_of(limiter)
    others = asyncio.ensure_future(broker.others(50.0, 2, lambda: now() > 1))
    await others
    await broker.request(client)
    await client.close()
    [window] = (await limiter.status()).windows
    theirs = broker.weight_of(THEIRS, 0, now())
    # Ours that was under way when the broker looked is counted as theirs, too, until it has left.
    assert window == WindowStatus(MINUTE, 300, 2 + theirs + 2, others=theirs, reserved=theirs + 2)
    await limiter.attach("strict", account("200w/60s"))
    [window] = (await limiter.status()).windows
    assert (window.limit, window.others, window.reserved) == ("200w/60s", theirs, theirs + 2)
    assert await granted_of(limiter) == 2


async def test_a_completion_carries_the_brokers_counts_to_the_ledger_before_its_permit_is_forgotten() -> None:
    memory = PermitMemory()
    known = PermitAccount(account("100w/60s"), InMemoryPermitRecord(account("100w/60s"), memory), now)
    known.open()
    known.grant("a", PermitRequest(tokens=10), 1)
    usage = BrokerUsage(60.0, Counts.WEIGHT, used=50)
    known.complete(Completion("a", Outcome.ANSWERED, usage=(usage,)))
    known.complete(Completion("a", Outcome.ANSWERED, usage=(BrokerUsage(60.0, Counts.WEIGHT, used=90),)))
    assert known.windows() == (WindowStatus("100w/60s", 100, 60, others=40, reserved=50),)
