"""Sections that may occur several times, [[broker]] and [[job]], and jobs with several intervals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def one_job_each(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The settings of each job and interval, with its broker.

    Raises ValueError with a sentence for sections that do not fit together; it does not check their values.
    """
    brokers, jobs = _tables(values, "broker"), _tables(values, "job")
    shared = {name: table for name, table in values.items() if name not in ("broker", "job")}
    by_name = _named(brokers)
    if not jobs:
        if len(brokers) > 1:
            raise ValueError('several [[broker]] sections need [[job]] sections that name theirs: broker = "NAME"')
        return [{**shared, **({"broker": brokers[0]} if brokers else {})}]
    return [
        {**shared, **_broker_of(job, by_name), "job": one_interval} for job in jobs for one_interval in _intervals(job)
    ]


def _tables(values: Mapping[str, Any], name: str) -> list[Any]:
    found = values.get(name)
    if found is None:
        return []
    if not isinstance(found, list):
        return [found]
    if not found:
        raise ValueError(f"{name} is an empty list: write a section [{name}]")
    return found


def _named(brokers: list[Any]) -> dict[str, Any]:
    """The brokers by name; a broker without a name has that of its gateway."""
    by_name: dict[str, Any] = {}
    for broker in brokers:
        name = str(broker.get("name", broker.get("gateway", ""))) if isinstance(broker, Mapping) else ""
        if name in by_name:
            raise ValueError(f'two [[broker]] sections are called "{name}": give each a name = "..." of its own')
        by_name[name] = broker
    return by_name


def _broker_of(job: Any, by_name: Mapping[str, Any]) -> dict[str, Any]:
    wanted = job.get("broker") if isinstance(job, Mapping) else None
    names = ", ".join(sorted(by_name)) or "none"
    if wanted is None and len(by_name) > 1:
        raise ValueError(f'job.broker is missing: write broker = "NAME", one of {names}')
    if wanted is None:
        return {"broker": next(iter(by_name.values()))} if by_name else {}
    if wanted not in by_name:
        raise ValueError(f'job.broker is "{wanted}": there is no such broker, but {names}')
    return {"broker": by_name[wanted]}


def _intervals(job: Any) -> Iterator[Any]:
    """The job once for each of its intervals, without the keys that only this module reads."""
    if not isinstance(job, Mapping):
        yield job
        return
    rest = {name: value for name, value in job.items() if name not in ("broker", "intervals")}
    if "intervals" not in job:
        yield rest
        return
    intervals = job["intervals"]
    if "interval" in job or not isinstance(intervals, list) or not intervals:
        raise ValueError('write either interval = "1m" or intervals = ["1m", "1h"], one of the two')
    for interval in intervals:
        yield {**rest, "interval": interval}
