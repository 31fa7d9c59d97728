"""A job's history in words and as plain JSON values: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from actors.cli.text.progress import duration_text, one_line, timestamp_text
from domain.jobs.history import HistoryEntry
from domain.jobs.request import CollectionRequest
from domain.jobs.status import TOO_MANY_FAILURES

FAILURES_LISTED = 3
"""Failed symbols that are shown below their batch; `--json` shows all of them."""

_VERBS = {"TakenOver": "taken over"}
"""Events whose name is not the verb."""

_TOLD_BY_THE_VERB = {"collect", "resume", "pause", "cancel", "retry"}
"""Reasons that only name the command."""

_REASONS = {
    TOO_MANY_FAILURES: "more symbols failed than allowed",
    "workers_keep_dying": "its workers kept dying",
    "workers_stopped": "its workers stopped before all was done",
}


def lines(entries: Iterable[HistoryEntry], request: CollectionRequest) -> Iterator[str]:
    """A line for each entry: when, and what happened; the failed symbols of a batch stand below it."""
    for entry in entries:
        when = f"{timestamp_text(entry.timestamp)}  "
        yield when + entry_text(entry, request)
        failed: dict[str, str] = entry.details.get("failed", {}) if entry.event == "BatchRecorded" else {}
        shown = [f"{symbol}: {one_line(why)}" for symbol, why in list(failed.items())[:FAILURES_LISTED]]
        if len(failed) > len(shown):
            shown.append(f"... and {len(failed) - len(shown):,} more")
        yield from (" " * len(when) + f"  {line}" for line in shown)


def entry_text(entry: HistoryEntry, request: CollectionRequest) -> str:
    """What happened, by whom and why."""
    match entry.event:
        case "Created":
            return f"created: {len(request.symbols):,} symbols, {request.interval} of {request.span}"
        case "BatchRecorded":
            return _batch_text(entry.details)
        case "AccountSealed":
            return f"account in cooldown for {duration_text(entry.details['seconds'])}: {one_line(entry.reason)}"
    again = f", {len(entry.details.get('symbols', ())):,} symbols again" if entry.event == "Retried" else ""
    return _VERBS.get(entry.event, entry.event.lower()) + again + _cause_text(entry)


def as_json(entries: Sequence[HistoryEntry], request: CollectionRequest) -> dict[str, Any]:
    """The job's request, and every entry under its event's stored name."""
    return {
        "request": {
            "symbols": len(request.symbols),
            "interval": str(request.interval),
            "start": request.span.start.isoformat(),
            "end": request.span.end.isoformat(),
            "calendar": request.calendar,
        },
        "events": [
            {
                "version": entry.version,
                "timestamp": entry.timestamp.isoformat(),
                "event": entry.event,
                "reason": entry.reason,
                "by": entry.by,
                "details": entry.details,
            }
            for entry in entries
        ],
    }


def _cause_text(entry: HistoryEntry) -> str:
    reason = _REASONS.get(entry.reason, one_line(entry.reason))
    if entry.reason in _TOLD_BY_THE_VERB:
        reason = ""
    if not entry.by:
        return f": {reason}" if reason else ""
    # A shutdown names its trigger: Ctrl-C, SIGTERM or the command.
    return f" by {one_line(entry.by)}" + (f" ({reason})" if reason not in ("", "shutdown") else "")


def _batch_text(details: dict[str, Any]) -> str:
    unfinished = "" if details["finished"] else ", unfinished"
    counted = (
        (details["completed"], "symbols complete"),
        (len(details.get("failed", ())), "failed"),
        (details["candles_saved"], "candles"),
        (details["candles_quarantined"], "quarantined"),
        (details["requests"], "requests"),
    )
    # Rare counts are shown only where they are not zero.
    told = [f"{count:,} {what}" for count, what in counted if count or what not in ("failed", "quarantined")]
    return f"batch {details['batch']}{unfinished}: {', '.join(told)}"
