"""Everything that can go wrong, and what the caller should do about it.

CollectorError
├─ JobError
│  ├─ IllegalTransition       the job's status does not allow the command: nothing was changed
│  ├─ JobNotFound             no such job in this store
│  ├─ StaleEpoch              another coordinator owns the job now: stop, write nothing
│  └─ WorkerLost              a worker's process ended: its batch goes to another worker
├─ BrokerError(broker, symbol, message)
│  ├─ TransientBrokerError    try again with backoff
│  │  ├─ BrokerUnavailable    5xx, a dropped or hung connection, a timeout
│  │  └─ BrokerThrottled      429 or 418: the whole account waits `retry_after_seconds`
│  ├─ SymbolRejected          the broker does not know the symbol: fail it, do not retry
│  ├─ MalformedResponse       not the promised shape: retry, then fail the symbol
│  └─ CredentialsRefused      pause the job: no symbol is to blame
├─ RateLimitError
│  ├─ PermitExpired           the permit is too old to use: give it back, take another
│  ├─ PermitImpossible        asks for more tokens than a window holds: it can never be granted
│  └─ LimiterUnavailable      the rate limiter is shut down, or another run holds the account
├─ StorageError
│  ├─ CorruptSegment(path)    the file on disk is not what was written
│  ├─ StorageUnavailable      the disk is full, read-only or gone: nothing half-written is left behind
│  └─ EventStoreUnavailable   locked, full or gone: the in-memory aggregate must be thrown away
└─ SettingsError              the user's input: say the sentence, exit with code 2

Every error crosses Ray, so constructors take positional arguments only and pass all of them on to
`super().__init__`; `__str__` makes the text.
"""


class CollectorError(Exception):
    """The root of everything this project raises on purpose."""


class JobError(CollectorError):
    """A command on a job could not be carried out."""


class IllegalTransition(JobError):
    """The job's status does not allow the command."""

    def __init__(self, job_id: str, status: str, command: str) -> None:
        super().__init__(job_id, status, command)
        self.job_id, self.status, self.command = job_id, status, command

    def __str__(self) -> str:
        return f"job {self.job_id} is {self.status}: it cannot {self.command}"


class JobNotFound(JobError):
    """No job of that id, or of that beginning of an id, is in the store."""

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id)
        self.job_id = job_id

    def __str__(self) -> str:
        return f"there is no job {self.job_id!r} in this store: `candles jobs` lists what there is"


class StaleEpoch(JobError):
    """Whoever wrote this has been replaced: its work was given to another."""

    def __init__(self, job_id: str, epoch: int, current_epoch: int) -> None:
        super().__init__(job_id, epoch, current_epoch)
        self.job_id, self.epoch, self.current_epoch = job_id, epoch, current_epoch

    def __str__(self) -> str:
        return f"job {self.job_id} is in epoch {self.current_epoch}: a report of epoch {self.epoch} comes too late"


class WorkerLost(JobError):
    """A worker's process ended before its work did."""

    def __init__(self, worker: str, reason: str) -> None:
        super().__init__(worker, reason)
        self.worker, self.reason = worker, reason

    def __str__(self) -> str:
        return f"{self.worker} was lost: {self.reason}"


class BrokerError(CollectorError):
    """The broker did not answer with the candles asked for."""

    def __init__(self, broker: str, symbol: str, message: str) -> None:
        super().__init__(broker, symbol, message)
        self.broker, self.symbol, self.message = broker, symbol, message

    def __str__(self) -> str:
        return f"{self.broker}: {self.symbol}: {self.message}"


class TransientBrokerError(BrokerError):
    """It may well work the next time."""


class BrokerUnavailable(TransientBrokerError):
    """A 5xx, a refused, dropped or cut connection, or no answer in time."""


class BrokerThrottled(TransientBrokerError):
    """The broker said 429 or 418: the whole account has to wait."""

    def __init__(self, broker: str, symbol: str, message: str, retry_after_seconds: float) -> None:
        CollectorError.__init__(self, broker, symbol, message, retry_after_seconds)
        self.broker, self.symbol, self.message = broker, symbol, message
        self.retry_after_seconds = retry_after_seconds


class SymbolRejected(BrokerError):
    """The broker does not know the symbol, or does not serve it: retrying is pointless."""


class MalformedResponse(BrokerError):
    """The answer is not what the broker's documentation promises."""


class CredentialsRefused(BrokerError):
    """The broker refused who we are: the job pauses, no symbol is blamed."""


class RateLimitError(CollectorError):
    """A permit could not be given or used."""


class PermitExpired(RateLimitError):
    """The permit was held too long before its request was written."""

    def __init__(self, late_by_seconds: float) -> None:
        super().__init__(late_by_seconds)
        self.late_by_seconds = late_by_seconds

    def __str__(self) -> str:
        return f"the permit expired {self.late_by_seconds:.3f} s ago: take another one"


class PermitImpossible(RateLimitError):
    """More tokens were asked for than a window holds."""

    def __init__(self, tokens: int, limit: str) -> None:
        super().__init__(tokens, limit)
        self.tokens, self.limit = tokens, limit

    def __str__(self) -> str:
        return f"{self.tokens} tokens can never be granted under the limit {self.limit}"


class LimiterUnavailable(RateLimitError):
    """The limiter is shut down, or the account is held by another run."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message


class StorageError(CollectorError):
    """Candles or events could not be read or written."""


class CorruptSegment(StorageError):
    """A file on disk is not what was written; `symbol` and `lost` say what it held, where that is known."""

    def __init__(self, path: str, reason: str, symbol: str = "", lost: str = "") -> None:
        super().__init__(path, reason, symbol, lost)
        self.path, self.reason, self.symbol, self.lost = path, reason, symbol, lost

    def __str__(self) -> str:
        if not self.symbol:
            return f"{self.path}: {self.reason}: move the file away and collect its symbol again"
        return (
            f"{self.path}: {self.reason}: the candles of {self.symbol} in {self.lost} cannot be read; "
            f"`candles gaps {self.symbol} --repair` moves the file aside and collects them again"
        )


class StorageUnavailable(StorageError):
    """A file could not be read or written; what was there before is still there, whole."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(path, reason)
        self.path, self.reason = path, reason

    def __str__(self) -> str:
        return f"{self.path} cannot be used: {self.reason}"


class EventStoreUnavailable(StorageError):
    """The event store could not be read or written; reload the job before going on."""

    def __init__(self, store: str, reason: str) -> None:
        super().__init__(store, reason)
        self.store, self.reason = store, reason

    def __str__(self) -> str:
        return f"the event store {self.store} cannot be used: {self.reason}"


class SettingsError(CollectorError):
    """The user's input is wrong: one sentence naming what, where and what is needed."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __str__(self) -> str:
        return self.message
