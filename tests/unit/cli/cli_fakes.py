"""A service without Ray, for tests of the command line: jobs are lists of snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from actors.settings.model import Settings
from domain.candles.dataset import Interval
from domain.errors import IllegalTransition, JobNotFound
from domain.jobs.history import HistoryEntry
from domain.jobs.progress import Progress
from domain.jobs.request import CollectionRequest
from domain.jobs.status import JobStatus
from domain.limits.messages import JobWaiting, LimiterStatus, Priority, WindowStatus
from domain.spans.time_span import TimeSpan

RUNNING = Progress(
    job_id="binance-1d-0a1b2c3d",
    status=JobStatus.RUNNING,
    reason="collect",
    version=3,
    symbols_total=100,
    symbols_completed=12,
    symbols_failed=0,
    pages_total=200,
    pages_done=50,
    candles_saved=12345,
    candles_quarantined=0,
    requests=50,
    share=0.25,
    started_at=datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC),
    running_seconds=3.5,
    eta_seconds=72.0,
    requests_per_second=14.2,
    limits=("15/1s", "6000w/60s"),
    is_attended=True,
)


def ended(status: JobStatus, failed: int = 0, reason: str = "") -> Progress:
    """The same job after its end."""
    return replace(
        RUNNING,
        status=status,
        reason=reason,
        version=9,
        symbols_failed=failed,
        pages_done=200,
        share=1.0,
        is_attended=False,
    )


class FakeHandle:
    """A job that goes through the snapshots, one a look; `between` is called before each but the first."""

    def __init__(self, snapshots: Sequence[Progress], between: Callable[[], None] = lambda: None) -> None:
        self.job_id = snapshots[0].job_id
        self.snapshots = list(snapshots)
        self.between = between
        self.orders: list[str] = []
        self.stopped_by = ""

    def progress(self) -> Progress:
        return self.snapshots[0]

    def watch(self, timeout_seconds: float = 1.0) -> Iterator[Progress]:
        yield self.snapshots[0]
        for snapshot in self.snapshots[1:]:
            self.between()
            yield snapshot

    def pause(self, now: bool = False) -> Progress:
        self.orders.append(f"pause now={now}")
        return replace(RUNNING, status=JobStatus.PAUSED, reason="pause")

    def shutdown(self, by: str = "") -> Progress:
        self.orders.append("shutdown")
        self.stopped_by = by
        return ended(JobStatus.PAUSED, reason="shutdown")


LIMITER_STATUS = LimiterStatus(
    broker="binance",
    account="default",
    windows=(WindowStatus("15/1s", 15, 12), WindowStatus("6000w/60s", 6000, 1400, others=200, reserved=230)),
    waiting=32,
    paused=False,
    cooldown_seconds=0.0,
    cooldown_reason="",
    granted=700,
    waited_seconds=70.0,
    mean_call_seconds=0.05,
    note="the permit record holds 12 permits",
    jobs=(
        JobWaiting("binance-1d-0a1b2c3d", Priority.INTERACTIVE, 4, 0.95),
        JobWaiting("binance-1m-99999999", Priority.BULK, 28, 0.05),
    ),
)


class FakeLimiter:
    """A limiter that notes its orders; `standing` is how it says it stands, `error` what its orders meet."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.current = LIMITER_STATUS
        self.error: Exception | None = None

    def pause(self) -> None:
        self._order("pause")

    def resume(self) -> None:
        self._order("resume")

    def shutdown(self) -> None:
        self._order("shutdown")

    def end_cooldown(self) -> float:
        self._order("end cooldown")
        left_seconds = self.current.cooldown_seconds
        self.current = replace(self.current, cooldown_seconds=0.0)
        return left_seconds

    def status(self) -> LimiterStatus:
        return self.current

    def _order(self, order: str) -> None:
        if self.error:
            raise self.error
        self.orders.append(order)


class FakeService:
    """Hands out one job. `attached` says whether somebody runs it, `elsewhere` whether that is another process."""

    def __init__(
        self,
        handle: FakeHandle | None = None,
        attached: bool = False,
        stored: Progress = RUNNING,
        elsewhere: bool = False,
    ) -> None:
        self.handle, self.attached, self.stored = handle, attached, stored
        self.elsewhere = elsewhere
        self.calls: list[str] = []
        self.settings: Settings | None = None
        self.is_closed = False

    def opened(self, settings: Settings) -> FakeService:
        """What an App calls to get its service."""
        self.settings = settings
        return self

    def __enter__(self) -> FakeService:
        return self

    def __exit__(self, *_: object) -> None:
        self.is_closed = True

    def submit(self) -> FakeHandle:
        self.calls.append("submit")
        assert self.handle is not None
        self.attached = True
        return self.handle

    def resume(self, job: str) -> FakeHandle:
        self._find(job, f"resume {job}")
        return self.submit()

    def retry(self, job: str) -> FakeHandle:
        self._find(job, f"retry {job}")
        return self.submit()

    def cancel(self, job: str) -> Progress:
        self._find(job, f"cancel {job}")
        if self.stored.status.is_final:
            raise IllegalTransition(self.stored.job_id, str(self.stored.status), "cancel")
        return ended(JobStatus.CANCELLED, reason="cancel")

    def attach(self, job: str) -> FakeHandle | None:
        self._find(job, f"attach {job}")
        return self.handle if self.attached else None

    def progress(self, job: str, at: datetime | None = None) -> Progress:
        self._find(job, f"progress {job} at={at}")
        return self.stored

    def runs(self, job_id: str) -> bool:
        return not self.elsewhere

    def jobs(self) -> list[Progress]:
        return [self.stored]

    def history(self, job: str, until: datetime | None = None) -> list[HistoryEntry]:
        self._find(job, f"history {job} until={until}")
        moment = datetime(2024, 3, 1, 12, 0, 0, tzinfo=UTC)
        return [HistoryEntry(1, moment, "Created", ""), HistoryEntry(2, moment, "Started", "collect", {"epoch": 1})]

    def request_of(self, job: str) -> CollectionRequest:
        self._find(job, f"request of {job}")
        return CollectionRequest("binance", "default", ("A", "B"), Interval("1d"), TimeSpan(0, 86_400_000))

    def export(self, out: Path, format: str, job: str | None = None, symbols: Sequence[str] = ()) -> list[Path]:
        self.calls.append(f"export {out.name} {format} {job} {list(symbols)}")
        return [out / f"a.{format}"]

    def _find(self, job: str, call: str) -> None:
        self.calls.append(call)
        if not RUNNING.job_id.startswith(job):
            raise JobNotFound(job)
