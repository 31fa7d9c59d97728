"""Progress in words: pure functions from a snapshot to what a person reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from click import unstyle

from domain.candles.findings import OF_THE_CALENDAR
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus
from domain.limits.rates import Counts, RateLimit, ideal_makespan_seconds

FAILURES_LISTED = 10
LONGEST_REASON = 240


def duration_text(seconds: float) -> str:
    """A duration in two units at most: "4.2 s", "1 m 05 s", "2 h 03 m", "3 d 04 h"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, length, lesser, lesser_length in (("d", 86400, "h", 3600), ("h", 3600, "m", 60)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // lesser_length:02d} {lesser}"
    return f"{whole // 60} m {whole % 60:02d} s"


def timestamp_text(moment: datetime | None) -> str:
    """A timestamp to the second, in UTC; "-" for none."""
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else "-"


def one_line(text: str) -> str:
    """The first line of a text without colour codes, shortened to fit a line."""
    first = next(iter(unstyle(text).strip().splitlines()), "")
    return first if len(first) <= LONGEST_REASON else f"{first[: LONGEST_REASON - 3]}..."


def rate_text(progress: Progress) -> str:
    """The rate of requests against the limit with the shortest window: "14.2/s of 15/1s"."""
    rate = f"{progress.requests_per_second:.1f}/s"
    limits = [RateLimit.parse(limit) for limit in progress.limits]
    return f"{rate} of {min(limits, key=lambda limit: limit.window_seconds)}" if limits else rate


def symbols_text(progress: Progress) -> str:
    """How many symbols are done and how many failed."""
    failed = f", {progress.symbols_failed:,} failed" if progress.symbols_failed else ""
    return f"{progress.symbols_completed:,} of {progress.symbols_total:,} symbols{failed}"


def candles_text(progress: Progress) -> str:
    """How many candles were saved, and how many refused."""
    refused = f", {progress.candles_quarantined:,} quarantined" if progress.candles_quarantined else ""
    return f"{progress.candles_saved:,} candles{refused}"


def state_text(progress: Progress) -> str:
    """The status with its reason, and why nothing is sent, or may be for a while."""
    state = str(progress.status)
    if progress.is_orphaned:
        return f"{short_state_text(progress)}: `candles resume {progress.job_id}` takes it up"
    if progress.reason and progress.status not in (JobStatus.RUNNING, JobStatus.PENDING):
        state = f"{state} ({one_line(progress.reason)})"
    if progress.status is JobStatus.RUNNING and progress.is_account_paused:
        return f"{state}, but an operator paused the account: `candles limiter resume` lets it go on"
    if progress.status is JobStatus.RUNNING and (waits := _waits(progress)):
        state = f"{state}, nothing is sent for {' and '.join(waits)}"
    return state


def _waits(progress: Progress) -> list[str]:
    waits = []
    if progress.cooldown_seconds > 0:
        reason = one_line(progress.cooldown_reason) or "the broker refused"
        waits.append(f"{duration_text(progress.cooldown_seconds)} ({reason})")
    if progress.evidence_wait_seconds > 0:
        waits.append(f"{duration_text(progress.evidence_wait_seconds)} ({one_line(progress.evidence_wait_reason)})")
    return waits


def short_state_text(progress: Progress) -> str:
    """The state for a list of jobs, below which stands what to do about those that nobody runs."""
    return f"{progress.status}, but nobody runs it" if progress.is_orphaned else state_text(progress)


def eta_text(progress: Progress) -> str:
    """The time left, or that the job waits; empty for a job that is not running."""
    if progress.status is not JobStatus.RUNNING:
        return ""
    if not progress.may_send:
        return "waiting"
    return "ETA ?" if progress.eta_seconds is None else f"ETA {duration_text(progress.eta_seconds)}"


def share_text(progress: Progress) -> str:
    """How much of the work is done; 100% only when nothing is left."""
    return f"{int(100 * progress.share)}%"


def pages_text(progress: Progress) -> str:
    """How many pages are done, and the total where it is known."""
    total = "" if progress.pages_total is None else f"/{progress.pages_total:,}"
    return f"{progress.pages_done:,}{total} pages"


def progress_line(progress: Progress) -> str:
    """Everything worth knowing in one line of plain text."""
    pages = f"{pages_text(progress)} {share_text(progress)}"
    parts = [state_text(progress), pages, symbols_text(progress), candles_text(progress)]
    if progress.status is JobStatus.RUNNING:
        parts += [rate_text(progress), eta_text(progress)]
    return " | ".join(parts)


def ideal_seconds(progress: Progress, requests: int) -> float | None:
    """The least time for so many requests under the job's limits; None where no limit counts requests."""
    limits = [RateLimit.parse(limit) for limit in progress.limits]
    ideals = [
        ideal_makespan_seconds(requests, limit, progress.mean_call_seconds)
        for limit in limits
        if limit.counts is Counts.REQUESTS
    ]
    return max(ideals, default=None)


def summary(progress: Progress) -> list[str]:
    """The job's outcome, line by line; while it runs, its requests and their time are those of this run."""
    state = state_text(progress)
    lines = [
        f"{progress.job_id}: {state}",
        f"  symbols   {progress.symbols_completed:,} of {progress.symbols_total:,} complete"
        + (f", {progress.symbols_failed:,} failed" if progress.symbols_failed else ""),
        f"  candles   {progress.candles_saved:,} saved, {progress.candles_quarantined:,} quarantined",
        *_findings_lines(progress.findings),
        f"  requests  {_requests_text(progress)}",
    ]
    failed = list(progress.failed_symbols.items())[:FAILURES_LISTED]
    lines += [f"  failed    {symbol}: {one_line(message)}" for symbol, message in failed]
    if progress.symbols_failed > len(failed) > 0:
        lines.append(f"  failed    ... and {progress.symbols_failed - len(failed):,} more")
    return lines


def _findings_lines(findings: Mapping[str, int]) -> list[str]:
    """The reasons of refused bars, most frequent first, then what the calendar does not explain."""
    reasons = sorted((name for name in findings if name not in OF_THE_CALENDAR), key=lambda name: -findings[name])
    lines = [f"  refused   {findings[name]:,} bars: {name}" for name in reasons]
    return lines + [f"  calendar  {findings[name]:,} bars {name}" for name in OF_THE_CALENDAR if name in findings]


def _requests_text(progress: Progress) -> str:
    if progress.run_requests is None or progress.run_seconds is None:
        return f"{progress.requests:,} in {duration_text(progress.running_seconds)} of running"
    earlier = _earlier_text(progress.requests - progress.run_requests, progress.running_seconds - progress.run_seconds)
    if not progress.run_requests:
        return f"none were needed{earlier}"
    ideal = ideal_seconds(progress, progress.run_requests) if progress.status is JobStatus.COMPLETED else None
    against = f"; the ideal under {', '.join(progress.limits)} is {duration_text(ideal)}" if ideal else ""
    return f"{progress.run_requests:,} in {duration_text(progress.run_seconds)}{against}{earlier}"


def _earlier_text(requests: int, seconds: float) -> str:
    return f"; {requests:,} in {duration_text(seconds)} of earlier runs" if requests else ""
