"""Permit bundles: several permits in one call, with the guarantee, the order and the utilisation of one at a time."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence

import pytest

from actors.limiter.shaper import PermitShaper
from adapters.in_memory.permits import PermitMemory
from domain.limits.messages import Completion, Outcome, PermitBundle, PermitRequest
from domain.limits.permit_bundles import BundleTerms, permit_ids
from domain.limits.rates import Counts, RateLimit
from domain.limits.usage import BrokerUsage
from tests.unit.limiter.limiter_bench import (
    FLIGHT_SECONDS,
    VALID_SECONDS,
    WINDOW_SECONDS,
    Network,
    RemoteCalls,
    account,
    answered,
    client_of,
    granted_of,
    limiter_of,
    now,
)

HIGH = "500/1s"
TEN = PermitRequest("ten", permits=10)


@pytest.mark.parametrize(
    ("limits", "tokens", "most"),
    [
        (("15/1s",), 1, 1),
        (("200/1s",), 1, 2),
        (("1000/1s",), 1, 10),
        (("1000w/1s",), 4, 2),
        (("1000000/1s",), 1, 100),
        (("6000w/60s",), 1, 10),
        (("6000w/60s",), 2, 5),
        (("200/60s",), 1, 1),
        (("50/1s", "500/60s", "2000/30m"), 1, 1),
        (("1000/1s@history", "3/1s@orders"), 1, 10),
        ((), 1, 1),
    ],
)
def test_a_bundle_is_at_most_a_hundredth_of_each_window_and_a_tenth_of_a_second(
    limits: tuple[str, ...], tokens: int, most: int
) -> None:
    terms = BundleTerms.of(account(*limits)) if limits else BundleTerms()
    assert terms.permits(tokens, "history") == most


def test_a_spare_permit_is_kept_for_a_hundredth_of_the_window_and_far_less_than_it_is_valid() -> None:
    assert BundleTerms.of(account("1000/1s")).spare_seconds == pytest.approx(0.01)
    assert BundleTerms.of(account("60000/60s")).spare_seconds == pytest.approx(0.1)
    assert VALID_SECONDS >= 20 * 0.1


# What the limiter does.


async def test_a_bundle_comes_whole_in_one_call_each_permit_under_its_own_id() -> None:
    limiter = limiter_of("1000/1s")
    bundle = await limiter.acquire(TEN)
    assert bundle == PermitBundle(tuple(permit_ids("ten", 10)), 1, 0.0, VALID_SECONDS)
    assert len(set(bundle.permit_ids)) == 10
    assert await granted_of(limiter) == 10
    assert (await limiter.status()).windows[0].counted == 10


async def test_no_bundle_is_larger_than_the_limits_allow_whatever_is_requested() -> None:
    low = await limiter_of("15/1s").acquire(TEN)
    assert low is not None
    assert low.permit_ids == ("ten",)
    high = await limiter_of(HIGH).acquire(PermitRequest("many", permits=1000))
    assert high is not None
    assert len(high.permit_ids) == 5


async def test_a_repeated_ticket_gets_the_same_bundle_also_from_a_successor() -> None:
    memory = PermitMemory()
    limiter = limiter_of("1000/1s", memory=memory)
    first = await limiter.acquire(TEN)
    again = await limiter.acquire(TEN)
    memory.kill_holder()
    successor = await limiter_of("1000/1s", memory=memory).acquire(TEN)
    assert first is not None
    assert again is not None
    assert successor is not None
    assert first.permit_ids == again.permit_ids == successor.permit_ids


async def test_a_repeated_ticket_gets_the_rest_of_a_partly_completed_bundle_and_nobody_is_refused() -> None:
    limiter = limiter_of("1000/1s")
    bundle = await limiter.acquire(TEN)
    assert bundle is not None
    await limiter.complete(answered([bundle.permit_ids[0], bundle.permit_ids[4]]))
    again, other = await asyncio.gather(limiter.acquire(TEN), limiter.acquire(PermitRequest("other")))
    assert again is not None
    assert again.permit_ids == (*bundle.permit_ids[1:4], *bundle.permit_ids[5:])
    assert other is not None
    assert await granted_of(limiter) == 11, "a ticket is granted once"


async def test_each_permit_of_a_bundle_is_completed_on_its_own() -> None:
    limiter = limiter_of("1000/1s")
    bundle = await limiter.acquire(TEN)
    assert bundle is not None
    await limiter.complete([Completion(bundle.permit_ids[0], Outcome.UNUSED)])
    assert (await limiter.status()).windows[0].counted == 9, "an unused permit takes no other with it"
    await limiter.complete(answered(bundle.permit_ids[1:4]))
    await asyncio.sleep(WINDOW_SECONDS + 0.001)
    assert (await limiter.status()).windows[0].counted == 6
    await asyncio.sleep(FLIGHT_SECONDS)
    assert (await limiter.status()).windows[0].counted == 0, "those never heard of again lapse at their bound"


async def test_a_returned_ticket_releases_its_whole_bundle() -> None:
    limiter = limiter_of("1000/1s")
    await limiter.acquire(TEN)
    await limiter.complete([Completion("ten", Outcome.UNUSED)])
    assert (await limiter.status()).windows[0].counted == 0


async def test_a_bundle_that_cannot_be_recorded_is_not_granted_in_part() -> None:
    memory = PermitMemory()
    limiter = limiter_of("1000/1s", memory=memory)
    await limiter.complete([])
    memory.is_full = True
    call = asyncio.create_task(limiter.acquire(TEN))
    await asyncio.wait([call])
    assert call.exception() is not None
    assert (await limiter.status()).windows[0].counted == 0
    assert memory.permits == {}


# The guarantee.


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("limits", "tokens"), [((HIGH,), (1,)), (("1000w/1s", "2500w/4s"), (1, 2, 9))])
async def test_clients_with_bundles_over_a_slow_line_never_exceed_the_limits(
    seed: int, limits: tuple[str, ...], tokens: Sequence[int]
) -> None:
    network = Network(seed, freezes=True)
    calls = RemoteCalls(limiter_of(*limits), seed)
    clients = [client_of(calls, *limits) for _ in range(3)]
    await asyncio.gather(*(network.requests(client, 900, workers=150, tokens=tokens) for client in clients))
    assert network.violations(*limits) == 0
    assert network.expired > 5
    assert len(network.arrivals) == 2700


async def test_a_limiter_that_dies_again_and_again_with_bundles_lets_nothing_through() -> None:
    memory, network = PermitMemory(), Network(seed=2, freezes=True)
    calls = RemoteCalls(limiter_of(HIGH, memory=memory))

    async def kill_again_and_again() -> None:
        for _ in range(5):
            await asyncio.sleep(1.1)
            await calls.replace(limiter_of(HIGH, memory=memory), down_seconds=0.1)

    clients = [client_of(calls, HIGH) for _ in range(3)]
    requests = (network.requests(client, 900, workers=150) for client in clients)
    await asyncio.gather(kill_again_and_again(), *requests)
    assert network.violations(HIGH) == 0


async def test_the_bundle_of_a_worker_that_died_counts_to_its_bound() -> None:
    limiter = limiter_of(HIGH)
    for number in range(100):
        await limiter.acquire(PermitRequest(f"dead {number}", permits=5))
    assert (await limiter.status()).windows[0].counted == 500
    assert await limiter.acquire(PermitRequest()) is not None
    assert now() == pytest.approx(FLIGHT_SECONDS + WINDOW_SECONDS, abs=0.01)


# What it costs, and what it spares.


@pytest.mark.parametrize(("limit", "tokens"), [(HIGH, 1), ("3000w/1s", 10), ("900w/3s", 60)])
async def test_bundles_and_shaping_cost_less_than_one_percent_of_the_throughput(
    limit: str, tokens: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window_seconds = RateLimit.parse(limit).window_seconds

    async def requests_in_ten_windows(*bundled: str) -> int:
        network, calls = Network(one_way_seconds=0.025), RemoteCalls(limiter_of(limit))
        clients = [client_of(calls, *bundled) for _ in range(4)]
        slots = [asyncio.create_task(network.request_for_ever(client, tokens)) for client in clients for _ in range(32)]
        await asyncio.sleep(3 * window_seconds)
        before = len(network.arrivals)
        await asyncio.sleep(10 * window_seconds)
        for slot in slots:
            slot.cancel()
        return len(network.arrivals) - before

    requests = await requests_in_ten_windows(limit)
    assert requests > 0.99 * await requests_in_ten_windows()
    monkeypatch.setattr(PermitShaper, "is_ready", lambda *_: True)
    assert requests > 0.99 * await requests_in_ten_windows(limit)


async def test_bundles_take_a_fifth_of_the_calls_at_500_a_second() -> None:
    async def calls_of(*bundled: str) -> int:
        calls, network = RemoteCalls(limiter_of(HIGH)), Network(one_way_seconds=0.025)
        clients = [client_of(calls, *bundled) for _ in range(4)]
        await asyncio.gather(*(network.requests(client, 1000, workers=64) for client in clients))
        return calls.acquires

    assert await calls_of() == 4000
    assert await calls_of(HIGH) < 0.22 * 4000


async def test_at_low_limits_every_permit_is_a_call_of_its_own() -> None:
    calls = RemoteCalls(limiter_of("15/1s"))
    await Network(one_way_seconds=0.025).requests(client_of(calls, "15/1s"), 60, workers=8)
    assert calls.acquires == 60


def test_a_completion_arrives_on_the_other_side_as_it_left() -> None:
    completion = Completion("a", Outcome.ABANDONED, 0.5, 0.25, (BrokerUsage(60.0, Counts.WEIGHT, 5),))
    assert pickle.loads(pickle.dumps(completion)) == completion
