from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.limits.fair_shares import BULK_WEIGHT, INTERACTIVE_WEIGHT, FairShares, JobShares
from domain.limits.messages import Priority

WEIGHTS = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([0.5, 1.0, 3.0, 19.0]), min_size=2)
SIZES = st.lists(st.integers(1, 20), min_size=40, max_size=200)


def serve_by_turns(weights: dict[str, float], sizes: list[int]) -> list[tuple[str, int]]:
    """Everybody waits all the time; each serving is as large as the list says."""
    shares: FairShares[str] = FairShares()
    for key in weights:
        shares.begin(key)
    served = []
    for size in sizes:
        key = shares.in_turn()[0]
        shares.serve(key, size, weights[key])
        served.append((key, size))
    return served


@given(weights=WEIGHTS, sizes=SIZES)
def test_two_who_wait_all_the_time_never_differ_by_more_than_one_largest_serving_each(
    weights: dict[str, float], sizes: list[int]
) -> None:
    served: Counter[str] = Counter()
    behind_or_ahead = {key: max(sizes) / weight for key, weight in weights.items()}
    history = [dict.fromkeys(weights, 0.0)]
    for key, size in serve_by_turns(weights, sizes):
        served[key] += size
        history.append({each: served[each] / weight for each, weight in weights.items()})
    for one in weights:
        for other in weights:
            gaps = [moment[one] - moment[other] for moment in history]
            # The law is about every interval: the greatest change of the gap over any of them.
            assert max(gaps) - min(gaps) <= behind_or_ahead[one] + behind_or_ahead[other] + 1e-9 or one == other


@given(weights=WEIGHTS)
def test_what_is_served_converges_to_the_weights(weights: dict[str, float]) -> None:
    served = Counter(key for key, _ in serve_by_turns(weights, [1] * 4000))
    for key, weight in weights.items():
        assert served[key] / 4000 == pytest.approx(weight / sum(weights.values()), abs=0.01)


@given(weights=WEIGHTS, sizes=SIZES, size=st.integers(1, 20))
def test_whoever_begins_to_wait_waits_for_one_serving_of_each_other_at_most(
    weights: dict[str, float], sizes: list[int], size: int
) -> None:
    shares: FairShares[str] = FairShares()
    for key in weights:
        shares.begin(key)
    for each in sizes:
        key = shares.in_turn()[0]
        shares.serve(key, each, weights[key])
    shares.begin("new")
    before: Counter[str] = Counter()
    while shares.in_turn()[0] != "new":
        key = shares.in_turn()[0]
        shares.serve(key, size, weights[key])
        before[key] += 1
    assert max(before.values(), default=0) <= 1


@given(idle_turns=st.integers(0, 500), weight=st.sampled_from([1.0, 19.0]))
def test_nobody_saves_up_turns_while_idle(idle_turns: int, weight: float) -> None:
    shares: FairShares[str] = FairShares()
    shares.begin("busy")
    shares.begin("idle")
    shares.end("idle")
    for _ in range(idle_turns):
        shares.serve("busy", 1)
    shares.begin("idle")
    served: Counter[str] = Counter()
    for _ in range(20):
        key = shares.in_turn()[0]
        shares.serve(key, 1, weight if key == "idle" else 1.0)
        served[key] += 1
    assert served["busy"] >= 20 / (1 + weight) - 1


@given(pauses=st.lists(st.booleans(), min_size=50, max_size=50))
def test_going_away_and_coming_back_gains_nothing(pauses: list[bool]) -> None:
    shares: FairShares[str] = FairShares()
    shares.begin("steady")
    shares.begin("flighty")
    served: Counter[str] = Counter()
    for goes_away in pauses:
        if goes_away:
            shares.end("flighty")
            shares.begin("flighty")
        key = shares.in_turn()[0]
        shares.serve(key, 1)
        served[key] += 1
    assert abs(served["steady"] - served["flighty"]) <= 2


def test_when_nobody_waits_all_start_level_again() -> None:
    shares: FairShares[str] = FairShares()
    shares.begin("greedy")
    shares.serve("greedy", 1000)
    shares.end("greedy")
    shares.begin("greedy")
    shares.begin("other")
    assert shares.in_turn() == ["greedy", "other"]


def test_what_was_served_lately_counts_when_its_key_comes_back() -> None:
    shares: FairShares[str] = FairShares()
    shares.begin("other")
    shares.begin("greedy")
    shares.serve("greedy", 10)
    shares.end("greedy")
    shares.begin("greedy")
    assert shares.in_turn() == ["other", "greedy"]
    assert "greedy" in shares


@given(
    interactive=st.integers(1, 6),
    bulk=st.integers(1, 30),
    sizes=st.lists(st.integers(1, 5), min_size=2000, max_size=2000),
)
def test_the_priorities_keep_their_shares_however_many_jobs_each_has(
    interactive: int, bulk: int, sizes: list[int]
) -> None:
    shares = JobShares()
    for number in range(interactive):
        shares.begin(f"i{number}", Priority.INTERACTIVE)
    for number in range(bulk):
        shares.begin(f"b{number}", Priority.BULK)
    tokens: Counter[Priority] = Counter()
    for size in sizes:
        job_id, priority = next(shares.in_turn())
        shares.serve(job_id, priority, size)
        tokens[priority] += size
    whole = INTERACTIVE_WEIGHT + BULK_WEIGHT
    assert tokens[Priority.BULK] / tokens.total() == pytest.approx(BULK_WEIGHT / whole, abs=0.005)
    assert shares.share(Priority.INTERACTIVE) == pytest.approx(INTERACTIVE_WEIGHT / whole / interactive)
    shares.end("b0", Priority.BULK)
    for number in range(1, bulk):
        shares.end(f"b{number}", Priority.BULK)
    assert shares.share(Priority.INTERACTIVE) == pytest.approx(1 / interactive)
