"""Verdict: judges a trial by the exchange's own log, the files and the events."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adapters.brokers.binance.gateway import SPEC
from adapters.candle_store.repository import CandleFiles
from adapters.simulator.market import KlinesQuery, Market
from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan
from tests.cluster.crash_matrix import TrialRun

START_MS, END_MS = 1_577_836_800_000, 1_593_561_600_000
"""The first half of 2020."""
SPAN = TimeSpan(START_MS, END_MS)
COLUMNS = (
    "open_time_ms", "open", "high", "low", "close", "volume", "", "quote_volume", "trade_count",
    "taker_buy_base_volume", "taker_buy_quote_volume",
)  # fmt: skip
"""Of a row of klines; the close time is not kept, for it follows from the interval."""
PAGE_MS = 1000 * 3_600_000
ASKED_TWICE_MORE = {"first_bars", "last_bars", "late_bars"}
"""Faults that a second request contradicts, so that a third one is needed."""
ANSWERED_ALL_THE_SAME = {"", "closed_afterwards"}
"""Faults that leave the answer whole: another request would be a repeat."""


@dataclass
class Verdict:
    """Read once the run is over. `problems` are sentences; an empty list means success."""

    run: TrialRun

    @cached_property
    def problems(self) -> list[str]:
        """Every problem of the trial."""
        return [*self._rate_problems(), *self._repeat_problems(), *self._candle_problems(), *self._job_problems()]

    def close(self) -> None:
        """Read all there is to be read, as long as the exchange and the files are there."""
        assert self.problems is not None
        assert self.candles_compared

    @cached_property
    def report(self) -> dict[str, Any]:
        """The exchange's own count."""
        return self.run.exchange.report()

    @cached_property
    def arrivals(self) -> list[dict[str, Any]]:
        """Every request that reached the exchange."""
        return self.run.exchange.arrivals()

    @cached_property
    def pages_asked(self) -> Counter[tuple[str, int]]:
        """How often each page of each symbol, or a part of it, was requested."""
        return Counter(
            (arrival["symbol"], (int(arrival["start_ms"]) - START_MS) // PAGE_MS) for arrival in self.arrivals
        )

    @property
    def repeats(self) -> int:
        """Requests for a page that had been requested before."""
        return len(self.arrivals) - len(self.pages_asked)

    @property
    def faulty_answers(self) -> int:
        """How many more requests are needed because the exchange answered others wrongly."""
        faults = [arrival["fault"] for arrival in self.arrivals]
        return sum(1 + (fault in ASKED_TWICE_MORE) for fault in faults if fault not in ANSWERED_ALL_THE_SAME)

    @cached_property
    def candles_compared(self) -> int:
        """How many candles the exchange has of the job's symbols."""
        return sum(len(self._truth(symbol)) for symbol in self.run.symbols)

    @cached_property
    def jobs(self) -> list[dict[str, Any]]:
        """The jobs in the store."""
        return list(json.loads(self.run.driver.command("jobs", "--json").stdout))

    def _rate_problems(self) -> list[str]:
        refused = sum(arrival["status"] == 429 and not arrival["fault"] for arrival in self.arrivals)
        found = [f"{self.report['violations']} violations"] if self.report["violations"] else []
        return found + ([f"the exchange had to refuse {refused} requests"] if refused else [])

    def _repeat_problems(self) -> list[str]:
        allowed = self.run.repeatable_pages + self.faulty_answers
        found = [f"{self.repeats} repeats, {allowed} allowed"] if self.repeats > allowed else []
        missing = self.run.trial.pages - len(self.pages_asked)
        return found + ([f"{missing} pages more, or fewer, than there are"] if missing else [])

    def _candle_problems(self) -> list[str]:
        files = CandleFiles(self.run.root)
        return [problem for symbol in self.run.symbols for problem in self._problems_of(files, symbol)]

    def _problems_of(self, files: CandleFiles, symbol: str) -> list[str]:
        dataset = Dataset(SPEC.name, symbol, Interval("1h"))
        truth = self._truth(symbol)
        missing = files.coverage(dataset, SPAN).missing
        stored = files.read(dataset, SPAN).columns()
        problems = [f"{symbol}: {missing} is not covered"] if missing else []
        for place, name in enumerate(COLUMNS):
            if name:
                kind = np.int64 if name in ("open_time_ms", "trade_count") else np.float64
                expected = np.array([kind(row[place]) for row in truth], kind)
                found = stored.get(name, np.empty(0, kind))
                if found.tobytes() != expected.tobytes():
                    problems.append(f"{symbol}: {name} is not what the exchange has ({len(found)} candles)")
        return problems

    def _truth(self, symbol: str) -> list[Any]:
        query = KlinesQuery(symbol, "1h", START_MS, END_MS - 1, 1_000_000)
        return [json.loads(row) for row in Market().klines(query, now_ms=END_MS)]

    def _job_problems(self) -> list[str]:
        if len(self.jobs) != 1:
            return [f"{len(self.jobs)} jobs where there was one"]
        (job,) = self.jobs
        problems = []
        if (job["status"], job["symbols_completed"], job["symbols_failed"]) != ("COMPLETED", self.run.trial.symbols, 0):
            problems.append(f"the job is {job['status']}, {job['symbols_completed']} symbols")
        sent = len(self.arrivals) + self.report["lost"]
        if job["candles_saved"] > self.candles_compared or job["requests"] > sent:
            problems.append(f"{job['candles_saved']} candles in {job['requests']} requests are more than there were")
        is_undisturbed = not self.run.kills and not self.run.driver.stops
        if is_undisturbed and (job["candles_saved"], job["requests"]) != (self.candles_compared, sent):
            problems.append(
                f"the summary's {job['candles_saved']} candles, {job['requests']} requests are not the truth"
            )
        return problems + self._history_problems(job["job_id"])

    def _history_problems(self, job_id: str) -> list[str]:
        shown = self.run.driver.command("history", job_id, "--json")
        if shown.returncode:
            return [f"the history cannot be read: {shown.stderr}"]
        events = json.loads(shown.stdout)["events"]
        epochs = [event["details"]["epoch"] for event in events if "epoch" in event["details"]]
        finished = Counter(
            event["details"]["batch"]
            for event in events
            if event["event"] == "BatchRecorded" and event["details"]["finished"]
        )
        problems = [] if epochs == sorted(epochs) else [f"epochs go back: {epochs}"]
        if [event["version"] for event in events] != list(range(1, len(events) + 1)):
            problems.append("there is a gap in the events")
        if any(count > 1 for count in finished.values()):
            problems.append(f"a batch was recorded as finished twice: {finished}")
        names = Counter(event["event"] for event in events)
        if names["Completed"] != 1 + names["Retried"]:
            problems.append("the job was not completed exactly once")
        return problems
