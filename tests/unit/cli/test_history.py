"""A job's history in words: when, what, why and by whom."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from typing import Any

import pytest

from actors.cli.text.history import as_json, entry_text, lines
from actors.settings.signature import signed, this_program
from domain.candles.dataset import Interval
from domain.jobs.history import HistoryEntry
from domain.jobs.request import CollectionRequest
from domain.spans.time_span import TimeSpan

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
REQUEST = CollectionRequest(
    "binance", "default", tuple(f"SIM{number:02}" for number in range(40)), Interval("1m"), TimeSpan(0, 86_400_000)
)
ALICE = "alice@host: candles pause"
COUNTS = {"candles_saved": 12_345, "candles_quarantined": 0, "pages": 22, "requests": 22}


def entry(event: str, reason: str = "", by: str = "", **details: Any) -> HistoryEntry:
    return HistoryEntry(1, NOON, event, reason, details, by)


@pytest.mark.parametrize(
    ("happened", "told"),
    [
        (entry("Created", job_id="x"), "created: 40 symbols, 1m of [1970-01-01T00:00:00Z, 1970-01-02T00:00:00Z)"),
        (entry("Started", "collect"), "started"),
        (entry("Started", "collect", "alice@host: candles collect"), "started by alice@host: candles collect"),
        (entry("Paused", "pause", ALICE), "paused by alice@host: candles pause"),
        (entry("Paused", "shutdown", "alice@host: Ctrl-C"), "paused by alice@host: Ctrl-C"),
        (entry("Paused", "shutdown"), "paused: shutdown"),
        (entry("Paused", "too_many_failures"), "paused: more symbols failed than allowed"),
        (entry("Paused", "storage_unavailable: x is full"), "paused: storage_unavailable: x is full"),
        (entry("TakenOver", "its coordinator was gone"), "taken over: its coordinator was gone"),
        (entry("TakenOver", "it was gone", ALICE), "taken over by alice@host: candles pause (it was gone)"),
        (entry("Retried", "retry", symbols=["A", "B"]), "retried, 2 symbols again"),
        (entry("Completed"), "completed"),
        (
            entry("AccountSealed", "binance: HTTP 429", seconds=12.0),
            "account in cooldown for 12.0 s: binance: HTTP 429",
        ),
        (
            entry("BatchRecorded", batch=3, finished=True, completed=9, failed={"A": "no"}, **COUNTS),
            "batch 3: 9 symbols complete, 1 failed, 12,345 candles, 22 requests",
        ),
        (
            entry("BatchRecorded", batch=0, finished=False, completed=0, **COUNTS | {"candles_quarantined": 2}),
            "batch 0, unfinished: 0 symbols complete, 12,345 candles, 2 quarantined, 22 requests",
        ),
    ],
)
def test_history_tells_what_happened_in_words(happened: HistoryEntry, told: str) -> None:
    assert entry_text(happened, REQUEST) == told


def test_the_failed_symbols_of_a_batch_stand_below_it_with_their_reasons() -> None:
    failed = {f"SIM{number:02}": "SymbolRejected: unknown" for number in range(5)}
    batch = entry("BatchRecorded", batch=0, finished=True, completed=5, failed=failed, **COUNTS)
    assert list(lines([batch], REQUEST)) == [
        "2024-03-01 12:00:00Z  batch 0: 5 symbols complete, 5 failed, 12,345 candles, 22 requests",
        "                        SIM00: SymbolRejected: unknown",
        "                        SIM01: SymbolRejected: unknown",
        "                        SIM02: SymbolRejected: unknown",
        "                        ... and 2 more",
    ]


def test_as_json_events_keep_the_names_they_are_stored_with() -> None:
    told = as_json([entry("AccountSealed", "HTTP 429", seconds=12.0), entry("Paused", "pause", ALICE)], REQUEST)
    assert told["request"] == {
        "symbols": 40,
        "interval": "1m",
        "start": "1970-01-01T00:00:00+00:00",
        "end": "1970-01-02T00:00:00+00:00",
        "calendar": "24/7",
    }
    assert [(event["event"], event["reason"], event["by"]) for event in told["events"]] == [
        ("AccountSealed", "HTTP 429", ""),
        ("Paused", "pause", ALICE),
    ]


def test_a_signature_names_user_host_and_what_gave_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    assert signed("Ctrl-C") == f"alice@{socket.gethostname()}: Ctrl-C"


def test_a_user_without_a_name_signs_with_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert signed("Ctrl-C") == f"user 4000000@{socket.gethostname()}: Ctrl-C"


@pytest.mark.parametrize(("called", "name"), [("/home/a/nightly.py", "nightly.py"), ("-c", "python"), ("", "python")])
def test_a_driver_signs_with_the_name_of_its_script(monkeypatch: pytest.MonkeyPatch, called: str, name: str) -> None:
    monkeypatch.setattr("sys.argv", [called])
    assert this_program() == name
