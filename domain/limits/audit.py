"""The audit: the most that could have been in any window, from when permits were granted and completed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from domain.limits.rates import RateLimit


class Ending(IntEnum):
    """How it is known that a permit's request was complete."""

    BOUND = 0
    """Nothing more was heard of it: it is complete at the latest moment it could still arrive."""
    ANSWERED = 1
    """Its response headers came in."""
    ABANDONED = 2
    """It was given up after it was sent, and counts for as long as it may still arrive."""


@dataclass(frozen=True, slots=True)
class LimitsInForce:
    """The limits an account was held to from a moment on."""

    since_seconds: float
    limits: tuple[RateLimit, ...]


@dataclass(frozen=True, slots=True)
class EvidenceGap:
    """What the record cannot tell, and of which time."""

    first_seconds: float
    last_seconds: float
    sentence: str


@dataclass(frozen=True, eq=False, slots=True)
class AuditHistory:
    """Every permit of an account that was used or may have been, as columns in order of grant.

    Moments are seconds since 1970; `job` and `pool` hold places in `jobs` and `pools`.
    """

    granted_seconds: NDArray[np.float64]
    completed_seconds: NDArray[np.float64]
    tokens: NDArray[np.int64]
    job: NDArray[np.int64]
    pool: NDArray[np.int64]
    ending: NDArray[np.uint8]
    jobs: tuple[str, ...]
    pools: tuple[str, ...]
    limits: tuple[LimitsInForce, ...]
    evidence_gaps: tuple[EvidenceGap, ...] = ()

    def __len__(self) -> int:
        return len(self.granted_seconds)

    def of(self, job_id: str) -> NDArray[np.bool_]:
        """Which permits are that job's."""
        is_its: NDArray[np.bool_] = self.job == (self.jobs.index(job_id) if job_id in self.jobs else -1)
        return is_its

    def costs(self, limit: RateLimit) -> NDArray[np.int64]:
        """What each permit costs under that limit."""
        kinds, places = np.unique(np.stack([self.tokens, self.pool]), axis=1, return_inverse=True)
        costs = [limit.cost(int(tokens), self.pools[pool]) for tokens, pool in kinds.T]
        return np.array(costs, np.int64)[places.reshape(len(self))]

    def held_to(self, limit: RateLimit) -> NDArray[np.bool_]:
        """Which permits were granted while that limit was in force."""
        since = np.array([era.since_seconds for era in self.limits])
        in_force = np.array([limit in era.limits for era in self.limits], np.bool_)
        era = np.searchsorted(since, self.granted_seconds, side="right") - 1
        return np.where(era >= 0, in_force[np.maximum(era, 0)], False) if len(since) else np.zeros(len(self), np.bool_)


@dataclass(frozen=True, slots=True)
class WindowAudit:
    """One limit, and the most that any closed window of its length could have held during a job.

    The fullest window ends at `at_seconds` and holds `most`, `of_job` of it the job's own; `excesses` windows,
    of those that end with a grant, could have held more than the limit.
    """

    limit: RateLimit
    most: int
    of_job: int
    at_seconds: float
    excesses: int


@dataclass(frozen=True, slots=True)
class JobAudit:
    """What the record proves of a job: its windows, and of how many permits it knows what became of them."""

    job_id: str
    windows: tuple[WindowAudit, ...]
    permits: int
    of_other_jobs: int
    answered: int
    abandoned: int
    unheard: int
    first_seconds: float
    last_seconds: float
    evidence_gaps: tuple[str, ...]

    @property
    def is_proven(self) -> bool:
        """Whether no window can have held more than its limit, and nothing is missing from the record."""
        return not self.evidence_gaps and not any(window.excesses for window in self.windows)


def held_at_grants(
    window_seconds: float,
    granted: NDArray[np.float64],
    completed: NDArray[np.float64],
    costs: NDArray[np.int64],
    moments: NDArray[np.float64] | None = None,
) -> NDArray[np.int64]:
    """The most cost that could have arrived in the closed window that ends at each grant (or at each of `moments`).

    A request arrived somewhere in [granted, completed], so it can have been in [t, t + W] if granted <= t + W and
    completed >= t. The fullest window of all ends at a grant: of the requests that can have been in a window take
    the one granted last; the window that ends at its grant can have held all of them, since none was granted
    later and each was complete no earlier than the start of the first window, which is no later than its own.
    """
    ends = granted if moments is None else moments
    had_come = _total_until(np.sort(granted), costs[np.argsort(granted, kind="stable")], ends, "right")
    had_completed = _total_until(
        np.sort(completed), costs[np.argsort(completed, kind="stable")], ends - window_seconds, "left"
    )
    return had_come - had_completed


def audit(history: AuditHistory, job_id: str, began_seconds: float = float("inf")) -> JobAudit:
    """Judge a job by every window its requests can have been in, the permits of the account's other jobs included.

    Each grant is judged by the limits that were in force when it was made. A job that began before its first
    permit in the record is not proven where the record says that it forgot. Raises ValueError when the history has
    no permit of that job.
    """
    own = history.of(job_id)
    if not own.any():
        raise ValueError(f"no permit of job {job_id} is in the record")
    first, last = float(history.granted_seconds[own].min()), float(history.completed_seconds[own].max())
    began = min(first, began_seconds)
    windows = [_judge(limit, history, own, first, last) for limit in _limits_between(history, first, last)]
    endings = np.bincount(history.ending[own], minlength=len(Ending))
    beside = (history.granted_seconds <= last) & (history.completed_seconds >= first) & ~own
    return JobAudit(
        job_id=job_id,
        windows=tuple(window for window in windows if window is not None),
        permits=int(own.sum()),
        of_other_jobs=int(beside.sum()),
        answered=int(endings[Ending.ANSWERED]),
        abandoned=int(endings[Ending.ABANDONED]),
        unheard=int(endings[Ending.BOUND]),
        first_seconds=first,
        last_seconds=last,
        evidence_gaps=tuple(
            gap.sentence for gap in history.evidence_gaps if gap.first_seconds <= last and gap.last_seconds > began
        ),
    )


def held_over_time(
    limit: RateLimit, history: AuditHistory, only: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The most that the window ending at each moment can have held: a staircase, its moments and its heights."""
    leaving = history.completed_seconds + limit.window_seconds
    moments = np.unique(np.concatenate([history.granted_seconds, np.nextafter(leaving, np.inf)]))
    costs = history.costs(limit) if only is None else np.where(only, history.costs(limit), 0)
    held = held_at_grants(limit.window_seconds, history.granted_seconds, history.completed_seconds, costs, moments)
    return moments, held


def between(history: AuditHistory, first: float, last: float) -> AuditHistory:
    """The permits that were granted by `last` and not complete before `first`."""
    inside = (history.granted_seconds <= last) & (history.completed_seconds >= first)
    columns = ("granted_seconds", "completed_seconds", "tokens", "job", "pool", "ending")
    return replace(history, **{name: getattr(history, name)[inside] for name in columns})


def _judge(
    limit: RateLimit, history: AuditHistory, own: NDArray[np.bool_], first: float, last: float
) -> WindowAudit | None:
    granted = history.granted_seconds
    judged = history.held_to(limit) & (granted >= first) & (granted <= last + limit.window_seconds)
    if not judged.any():
        return None
    costs = history.costs(limit)
    held = np.where(judged, held_at_grants(limit.window_seconds, granted, history.completed_seconds, costs), 0)
    at = int(held.argmax())
    at_seconds = granted[at : at + 1]
    of_job = held_at_grants(
        limit.window_seconds, granted, history.completed_seconds, np.where(own, costs, 0), at_seconds
    )
    return WindowAudit(limit, int(held[at]), int(of_job[0]), float(granted[at]), int((held > limit.amount).sum()))


def _limits_between(history: AuditHistory, first: float, last: float) -> list[RateLimit]:
    eras = history.limits
    ends = [*(era.since_seconds for era in eras[1:]), float("inf")]
    held_to = [era.limits for era, end in zip(eras, ends, strict=True) if era.since_seconds <= last and end > first]
    return sorted({limit for limits in held_to for limit in limits}, key=lambda limit: limit.window_seconds)


def _total_until(
    sorted_moments: NDArray[np.float64], costs: NDArray[np.int64], moments: NDArray[np.float64], side: str
) -> NDArray[np.int64]:
    totals = np.concatenate([np.zeros(1, np.int64), np.cumsum(costs)])
    places = np.searchsorted(sorted_moments, moments, side="right" if side == "right" else "left")
    return totals[places]
