"""What passes between a rate limiter and those who take its permits."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from domain.limits.usage import BrokerUsage


class Priority(StrEnum):
    """How soon the rate limiter serves a job, beside others of its account."""

    INTERACTIVE = "interactive"
    """Somebody waits for it."""
    BULK = "bulk"
    """A backfill, in nobody's hurry."""


@dataclass(frozen=True, slots=True)
class PermitRequest:
    """What one call asks a limiter for: so many permits, each for one request of `tokens` weight.

    A call with a `ticket` is answered in bounded time, and may be made again: the ticket keeps its
    place, and is granted once. `pool` names the budget of the broker that the requests draw on.
    """

    ticket: str | None = None
    tokens: int = 1
    job_id: str = ""
    priority: Priority = Priority.BULK
    pool: str = ""
    permits: int = 1


@dataclass(frozen=True, slots=True)
class PermitBundle:
    """Permits granted `granted_after_seconds` from the call that asked, each usable for `valid_seconds` then.

    As many as were asked for, or fewer, never none; each has its own id, and is completed or released on its own.
    Durations, not moments: the clocks of two machines need not agree. Whoever asked counts from the
    moment before asking, so that a slow answer shortens a permit and never lengthens it. Permits
    granted to an earlier call of the same ticket have a negative `granted_after_seconds`.
    """

    permit_ids: tuple[str, ...]
    tokens: int
    granted_after_seconds: float
    valid_seconds: float


class Outcome(StrEnum):
    """What became of a permit."""

    ANSWERED = "answered"
    """The response headers came: the request had arrived."""
    UNUSED = "unused"
    """Not a byte was written."""
    ABANDONED = "stray"
    """Written, then given up: it may still arrive."""


@dataclass(frozen=True, slots=True)
class Completion:
    """The end of a permit, `seconds_ago` before this was sent.

    `call_seconds` is how long before that end its request was sent, `usage` what the broker's answer
    said of its own counts.
    """

    permit_id: str
    outcome: Outcome
    seconds_ago: float = 0.0
    call_seconds: float | None = None
    usage: tuple[BrokerUsage, ...] = ()

    def sent_after(self, seconds: float) -> Completion:
        """The same, sent so long after the end."""
        return Completion(self.permit_id, self.outcome, seconds, self.call_seconds, self.usage)

    def __reduce__(self) -> tuple[Any, ...]:
        # A hundred of these ride on one call: what dataclasses do by themselves takes four times as long.
        return Completion, (self.permit_id, self.outcome, self.seconds_ago, self.call_seconds, self.usage)


@dataclass(frozen=True, slots=True)
class WindowStatus:
    """One window of a limiter: its limit, and what it counts now."""

    limit: str
    amount: int
    counted: int
    others: int = 0
    """What other programs have used at least: the broker counted more than all of ours."""
    reserved: int = 0
    """What is counted for them to be safe: once they are proven to be there, all that is not surely ours."""


@dataclass(frozen=True, slots=True)
class JobWaiting:
    """A job that waits for permits: how many of its requests do, and what part of all tokens it gets now."""

    job_id: str
    priority: Priority
    requests: int
    share: float


@dataclass(frozen=True, slots=True)
class LimiterStatus:
    """A rate limiter at one moment. `note` says in a sentence what its record held at the start.

    Two waits: `cooldown_seconds`, because the broker refused, which an operator may end, and
    `evidence_wait_seconds`, because permits may have been forgotten, which nobody may.
    """

    broker: str
    account: str
    windows: tuple[WindowStatus, ...]
    waiting: int
    paused: bool
    cooldown_seconds: float
    cooldown_reason: str
    granted: int
    waited_seconds: float
    mean_call_seconds: float
    note: str
    jobs: tuple[JobWaiting, ...] = ()
    cooldowns: int = 0
    """How often the broker has refused the account since this limiter began; refusals of one burst are one."""
    cooldown_length_seconds: float = 0.0
    """How long the latest of these cooldowns is, from its beginning to its end."""
    mean_wait_seconds: float = 0.0
    """How long a call waited for its permits, from when it first asked."""
    evidence_wait_seconds: float = 0.0
    evidence_wait_reason: str = ""
    """What may have been forgotten, and why; empty when nothing is waited for."""
