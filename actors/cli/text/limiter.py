"""A limiter's status in words: pure functions from its status to text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from actors.cli.text.progress import duration_text, timestamp_text
from domain.limits.messages import LimiterStatus

WINDOW_HEADS = ("WINDOW", "COUNTED", "OF", "BY OTHERS", "RESERVED")
JOB_HEADS = ("JOB", "PRIORITY", "WAITING", "SHARE")


def summary(status: LimiterStatus) -> list[str]:
    """The limiter's state, line by line."""
    return [
        f"{status.broker}/{status.account}: {state_text(status)}",
        f"  granted   {status.granted:,} tokens; a permit comes after {duration_text(status.mean_wait_seconds)}; "
        f"a call takes {duration_text(status.mean_call_seconds)}",
        f"  waiting   {status.waiting:,} requests of {len(status.jobs)} jobs",
        f"  record    {status.note or 'not opened yet'}",
    ]


def state_text(status: LimiterStatus) -> str:
    """Whether it grants, and if not, why and until when."""
    states = []
    if status.paused:
        states.append("paused by an operator")
    if status.cooldown_seconds > 0:
        reason = status.cooldown_reason or "the broker refused"
        states.append(f"in cooldown for {_until(status.cooldown_seconds)} ({reason})")
    if status.evidence_wait_seconds > 0:
        states.append(f"without evidence for {_until(status.evidence_wait_seconds)} ({status.evidence_wait_reason})")
    return " and ".join(states) or "granting"


def _until(seconds: float) -> str:
    return f"{duration_text(seconds)}, until {timestamp_text(datetime.now(UTC) + timedelta(seconds=seconds))}"


def window_rows(status: LimiterStatus) -> Iterable[tuple[str, ...]]:
    """A row for each window."""
    for window in status.windows:
        yield (window.limit, *(f"{n:,}" for n in (window.counted, window.amount, window.others, window.reserved)))


def job_rows(status: LimiterStatus) -> Iterable[tuple[str, ...]]:
    """A row for each job that waits, the next to be served first."""
    for job in status.jobs:
        yield job.job_id or "-", str(job.priority), f"{job.requests:,}", f"{job.share:.1%}"


def as_json(status: LimiterStatus) -> dict[str, Any]:
    """The same as plain JSON types, with the moments at which the two waits end."""
    waits = {"cooldown_until": status.cooldown_seconds, "evidence_wait_until": status.evidence_wait_seconds}
    now = datetime.now(UTC)
    return asdict(status) | {
        name: (now + timedelta(seconds=seconds)).isoformat() if seconds > 0 else None for name, seconds in waits.items()
    }
