"""How events are stored: everything comes back as it was, and damage is noticed."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import zstandard
from eventsourcing.application import project_aggregate
from eventsourcing.domain import CanMutateAggregate
from eventsourcing.persistence import Mapper, StoredEvent
from hypothesis import example, given, settings
from hypothesis import strategies as some

from adapters.job_store.encoding import MAX_EVENT_BYTES, MsgpackTranscoder, ZstdCompressor
from domain.jobs.job import CollectionJob
from domain.jobs.plan import CollectionPlan
from domain.jobs.request import FailureAllowance
from domain.jobs.status import JobStatus
from domain.jobs.timings import NOTHING_TIMED, Timings

GOLDEN = Path(__file__).parents[2] / "golden"
moments = some.datetimes(timezones=some.just(UTC))
plain = some.none() | some.booleans() | some.integers(-(2**63), 2**64 - 1) | some.floats(allow_nan=False) | some.text()
values = some.recursive(
    plain | some.binary() | some.uuids() | moments,
    lambda inner: some.lists(inner) | some.dictionaries(some.text(), inner) | some.tuples(inner, inner),
    max_leaves=20,
)


def encoded(value: Any) -> bytes:
    return ZstdCompressor().compress(MsgpackTranscoder().encode(value))


def decoded(data: bytes) -> Any:
    return MsgpackTranscoder().decode(ZstdCompressor().decompress(data))


def same(one: Any, other: Any) -> bool:
    """Equal and of the same types all the way down: 1 is not 1.0 here, and (1,) not [1]."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


@settings(deadline=None)
@given(values)
@example({"at": datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "many": ["x" * 500] * 3})
def test_every_value_comes_back_as_what_it_was(value: Any) -> None:
    assert same(decoded(encoded(value)), value)


@pytest.mark.parametrize("value", [{1, 2}, Decimal(1), JobStatus.PAUSED, datetime(2024, 3, 1), 2**64, object()])  # noqa: DTZ001
def test_what_would_come_back_as_something_else_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        encoded({"value": value})


def test_what_does_not_shrink_stays_as_it_is_behind_one_byte() -> None:
    assert ZstdCompressor().compress(b"short") == b"\x00short"
    assert len(ZstdCompressor().compress(b"long" * 100)) < 40


@settings(deadline=None)
@given(some.binary(max_size=200))
def test_bytes_from_elsewhere_raise_value_error_and_nothing_else(data: bytes) -> None:
    with suppress(ValueError):
        assert ZstdCompressor().decompress(data) == data[1:]


@pytest.mark.parametrize(
    "damage", [b"", b"\x02abc", b"\x01", b"\x01abc", encoded("a" * 900)[:-1], encoded("a" * 900) + b"x"]
)
def test_damaged_bytes_are_noticed(damage: bytes) -> None:
    with pytest.raises(ValueError, match="event"):
        ZstdCompressor().decompress(damage)


def test_a_small_frame_cannot_fill_the_memory() -> None:
    bomb = zstandard.compress(bytes(MAX_EVENT_BYTES + 1))
    nameless = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(1000))
    for frame in (bomb, nameless):
        with pytest.raises(ValueError, match="more than"):
            ZstdCompressor().decompress(b"\x01" + frame)


def test_what_could_not_be_read_again_is_not_written() -> None:
    with pytest.raises(ValueError, match="larger"):
        ZstdCompressor().compress(bytes(MAX_EVENT_BYTES + 1))


def test_an_unknown_kind_of_value_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown kind 99"):
        MsgpackTranscoder().decode(b"\xd4\x63\x00")


def golden_events(name: str) -> list[CanMutateAggregate[Any]]:
    """Events as an earlier version stored them. These files are never written again: new kinds get new files."""
    mapper: Mapper[UUID] = Mapper(MsgpackTranscoder(), ZstdCompressor())
    rows = json.loads((GOLDEN / name).read_text())
    stored = [
        StoredEvent(UUID(row["originator_id"]), row["originator_version"], row["topic"], bytes.fromhex(row["state"]))
        for row in rows
    ]
    return [mapper.to_domain_event(row) for row in stored]  # type: ignore[misc]


def test_jobs_stored_by_the_first_version_load_for_ever() -> None:
    job = project_aggregate(None, golden_events("job_events_1.json"))
    assert isinstance(job, CollectionJob)
    assert (job.job_id, job.status, job.reason, job.epoch) == ("binance-1m-b5034ee7", JobStatus.CANCELLED, "cancel", 6)
    assert (job.symbols_total, job.symbols_completed, list(job.failed_symbols)) == (5, 4, ["BBB"])
    assert (job.candles_saved, job.candles_quarantined, job.pages, job.requests) == (6000, 18, 24, 30)
    assert job.started_at == datetime(2024, 3, 1, 12, 1, 0, 123456, tzinfo=UTC)
    assert job.failed_symbols["BBB"].message == "503 after 5 tries"


def test_times_of_calls_load_for_ever_and_batches_without_them_tell_none() -> None:
    paced = project_aggregate(None, golden_events("paced_job_events_1.json"))
    assert isinstance(paced, CollectionJob)
    assert (paced.status, paced.requests) == (JobStatus.COMPLETED, 6)
    assert paced.timings == [Timings(2, 0.125, 0.25 + batch) for batch in range(3)]
    spread = project_aggregate(None, golden_events("paced_job_events_2.json"))
    assert isinstance(spread, CollectionJob)
    assert spread.timings == [Timings(2, 0.125, 0.25 + batch, 0.0078125, 1, 0.015625 * batch) for batch in range(3)]
    unpaced = project_aggregate(None, golden_events("job_events_1.json"))
    assert isinstance(unpaced, CollectionJob)
    assert set(unpaced.timings) == {NOTHING_TIMED}


def test_every_kind_of_event_is_among_the_stored_ones() -> None:
    stored = [*golden_events("job_events_1.json"), *golden_events("sealed_job_events_1.json")]
    assert {type(happened).__name__ for happened in stored} == {
        name for name, kind in vars(CollectionJob).items() if isinstance(kind, type) and name != "Event"
    }


def test_cooldowns_stored_by_the_first_version_that_noted_them_load_for_ever() -> None:
    events = golden_events("sealed_job_events_1.json")
    job = project_aggregate(None, events)
    assert isinstance(job, CollectionJob)
    assert (job.status, job.epoch, job.symbols_failed) == (JobStatus.RUNNING, 2, 0)
    cooldowns: list[Any] = [happened for happened in events if type(happened).__name__ == "AccountSealed"]
    assert [(cool_down.seconds, cool_down.reason) for cool_down in cooldowns] == [
        (12.5, "binance: HTTP 429: too many requests"),
        (3600.0, "binance: HTTP 418: too many requests"),
    ]


def test_who_gave_a_command_loads_for_ever_and_events_without_it_tell_nobody() -> None:
    events = golden_events("signed_job_events_1.json")
    job = project_aggregate(None, events)
    assert isinstance(job, CollectionJob)
    assert (job.status, job.epoch) == (JobStatus.CANCELLED, 4)
    assert [(type(happened).__name__, vars(happened)["by"]) for happened in events if "by" in vars(happened)] == [
        ("Started", "alice@host: candles collect"),
        ("Paused", "alice@host: Ctrl-C"),
        ("Resumed", "alice@host: candles resume"),
        ("TakenOver", "alice@host: candles resume"),
        ("Retried", "alice@host: candles retry"),
        ("Cancelled", "bob@host: nightly.py"),
    ]
    assert not any("by" in vars(happened) for happened in golden_events("job_events_1.json"))


def test_plans_stored_by_the_first_version_load_for_ever() -> None:
    plan = project_aggregate(None, golden_events("plan_events_1.json"))
    assert isinstance(plan, CollectionPlan)
    assert plan.symbols == ("AAA", "BBB", "CCC", "DDD", "EEE")
    assert (plan.job_id, plan.request.max_failures) == ("binance-1m-b5034ee7", FailureAllowance(share=0.1))
    assert str(plan.request.span) == "[2024-03-01T00:00:00Z, 2024-03-07T22:40:00Z)"
