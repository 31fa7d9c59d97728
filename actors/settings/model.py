"""Settings: what to collect, from which broker, how fast, and where to, from a TOML file or plain values."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, model_validator

from actors.settings import fields as fields
from actors.settings.files import toml_in
from actors.settings.problems import first_problem
from actors.settings.sections import one_job_each
from actors.settings.timestamps import utc_timestamp
from domain.brokers.credentials import CredentialReference
from domain.candles.dataset import Interval
from domain.candles.sessions import SessionOverride
from domain.errors import SettingsError
from domain.jobs.request import DEFAULT_OPTIONS, OPTION_NAMES, FailureAllowance, OnTooManyFailures
from domain.limits.messages import Priority
from domain.limits.rates import RateLimit

DEFAULT_FILE = "candles.toml"
ENVIRONMENT_VARIABLE = "CANDLES_SETTINGS"

Text = Annotated[str, PlainValidator(fields.text)]
Moment = Annotated[datetime, PlainValidator(utc_timestamp)]
BesideFile = Annotated[Path, PlainValidator(fields.path_beside_file)]
AtLeastOne = Annotated[int, Field(ge=1, description="a whole number, at least 1")]


class Section(BaseModel):
    """A section of the file: no unknown keys, no conversion of values to other types, immutable."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class BrokerSettings(Section):
    """The broker to query, the account, and its limits.

    Without `base_url` and `limits` the gateway's own apply, as the broker documents them. `uplink_seconds` is the
    user's word that the broker counts no request later than this after it was sent; only a person can know this.
    `audit_days` is how long the permit log is kept, from which `candles audit` proves a run.
    """

    name: Text = Field(default="", description="the name by which [[job]] sections refer to this broker")
    gateway: Text = Field(description='the name of a gateway, like "binance": `candles brokers` lists them')
    credentials: Annotated[dict[str, CredentialReference], PlainValidator(fields.credentials)] = Field(
        default_factory=dict, description='a section [broker.credentials] with lines like key = "env:NAME"'
    )
    options: dict[str, Any] = Field(default_factory=dict, description="a section [broker.options]")
    base_url: Annotated[str, PlainValidator(fields.base_url)] | None = None
    account: Text = "default"
    limits: Annotated[tuple[RateLimit, ...], PlainValidator(fields.limits)] | None = None
    timeout_seconds: float = Field(
        default=10.0, gt=0, allow_inf_nan=False, description="a number of seconds above 0, like 10"
    )
    uplink_seconds: float | None = Field(
        default=None, gt=0, allow_inf_nan=False, description="a number of seconds above 0, like 0.5"
    )
    audit_days: int = Field(default=90, ge=1, description="a whole number of days, 1 or more")


class JobSettings(Section):
    """Which candles, and how the work is spread; `symbols` includes those of `symbols_file`.

    `calendar_overrides` names a file and holds its content. Without `end` the job goes up to the last bar that has
    closed.
    """

    name: Text = Field(default="", description="what a person calls the job")
    symbols: Annotated[tuple[str, ...], PlainValidator(fields.symbols)] = ()
    symbols_file: BesideFile | None = None
    interval: Annotated[Interval, PlainValidator(fields.interval)] = Field(description='the length of a bar, like "1m"')
    start: Moment = Field(description="a timestamp like 2024-03-01T00:00:00Z")
    end: Moment | None = None
    batch_size: AtLeastOne | None = Field(default=None, description="a whole number, at least 1")
    workers: AtLeastOne = DEFAULT_OPTIONS.workers
    concurrency: AtLeastOne = DEFAULT_OPTIONS.concurrency
    max_failures: Annotated[FailureAllowance, PlainValidator(fields.max_failures)] = DEFAULT_OPTIONS.max_failures
    on_too_many_failures: Annotated[OnTooManyFailures, PlainValidator(fields.on_too_many_failures)] = (
        DEFAULT_OPTIONS.on_too_many_failures
    )
    priority: Annotated[Priority, PlainValidator(fields.priority)] = DEFAULT_OPTIONS.priority
    calendar: Text = DEFAULT_OPTIONS.calendar
    calendar_overrides: Annotated[tuple[SessionOverride, ...], PlainValidator(fields.overrides_beside_file)] = ()
    settle_seconds: int = Field(
        default=DEFAULT_OPTIONS.settle_seconds, ge=0, description="a whole number of seconds, 0 or more"
    )

    @property
    def options(self) -> dict[str, Any]:
        """The options of the job that the section decides, by name."""
        return {name: value for name in OPTION_NAMES if (value := getattr(self, name)) is not None}

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if bool(self.symbols) == (self.symbols_file is not None):
            raise ValueError("write either symbols or symbols_file, one of the two")
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"start {self.start.isoformat()} must come before end {self.end.isoformat()}")
        return self


class StorageSettings(Section):
    """Where candles and the events of jobs are kept: an absolute path, or URLs that `wiring` knows."""

    root: Annotated[str, PlainValidator(fields.candle_address)] = Field(
        description='a folder for candles and events, like "/data/candles"'
    )
    events: Annotated[str, PlainValidator(fields.event_address)] = "sqlite"


class ClusterSettings(Section):
    """Where Ray runs: inside this process's own small cluster, or at an address."""

    address: Annotated[str, PlainValidator(fields.cluster_address)] = "embedded"


class Settings(Section):
    """The content of a settings file, checked as a whole.

    `broker` and `job` may be missing for programs that only read storage. `path` is the file's; None where there is
    none. Where the file has several jobs, `parts` are the settings of each, and the sections here are those of the
    first.
    """

    path: Path | None = None
    broker: BrokerSettings | None = Field(default=None, description="a section [broker]")
    job: JobSettings | None = Field(default=None, description="a section [job]")
    storage: StorageSettings = Field(description='a section [storage] with root = "a folder"')
    cluster: ClusterSettings = Field(default=ClusterSettings(), description="a section [cluster]")
    parts: tuple[Settings, ...] = ()

    @classmethod
    def load(cls, path: Path | str) -> Settings:
        """Read and check the file. A mistake in it raises SettingsError: one sentence that says where."""
        path = Path(path)
        try:
            values = toml_in(path, f"{path}: the settings file")
        except ValueError as error:
            raise SettingsError(str(error)) from error
        return cls.from_values(values, path)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], path: Path | str | None = None) -> Settings:
        """The same from a mapping of each section to its keys, for programs; raises SettingsError.

        Timestamps may be dates, datetimes or ISO 8601 texts, and paths may be Path objects; a relative path starts at
        the folder of `path`, or without it at the working directory.
        """
        path = None if path is None else Path(path)
        source = _source(path)
        for name in ("path", "parts"):
            if name in values:
                raise SettingsError(f"{source}: {name} is not a section of settings")
        try:
            jobs = one_job_each(values)
        except ValueError as error:
            raise SettingsError(f"{source}: {error}") from error
        parts = tuple(
            cls._of_one_job(job, path, f"{source}, job {number}" if len(jobs) > 1 else source)
            for number, job in enumerate(jobs, start=1)
        )
        return parts[0].model_copy(update={"parts": parts if len(parts) > 1 else ()})

    @classmethod
    def _of_one_job(cls, values: Mapping[str, Any], path: Path | None, source: str) -> Settings:
        folder = Path.cwd() if path is None else path.absolute().parent
        try:
            settings = cls.model_validate({**values, "path": path}, context={"folder": folder})
        except ValidationError as error:
            raise SettingsError(f"{source}: {first_problem(error, cls)}") from error
        if settings.job is None or settings.job.symbols_file is None:
            return settings
        try:
            symbols = fields.file_symbols(settings.job.symbols_file)
        except ValueError as error:
            raise SettingsError(f"{source}: job.symbols_file: {error}") from error
        return settings.model_copy(update={"job": settings.job.model_copy(update={"symbols": symbols})})

    @property
    def source(self) -> str:
        """The beginning of a sentence about these settings: the file's path, or "settings"."""
        return _source(self.path)

    @property
    def jobs(self) -> tuple[Settings, ...]:
        """The settings of each job: these, or the parts where there are several."""
        return self.parts or (self,)

    def require_broker(self) -> BrokerSettings:
        """The section [broker]; SettingsError where there is none."""
        if self.broker is None:
            raise SettingsError(f"{self.source}: this needs a section [broker], and there is none")
        return self.broker

    def require_job(self) -> JobSettings:
        """The section [job]; SettingsError where there is none."""
        if self.job is None:
            raise SettingsError(f"{self.source}: this needs a section [job], and there is none")
        return self.job


def _source(path: Path | None) -> str:
    return "settings" if path is None else str(path)


def find_settings_file(path: Path | str | None = None, environment: Mapping[str, str] = os.environ) -> Path:
    """The settings file to use: the one named, else CANDLES_SETTINGS, else candles.toml here.

    Raises SettingsError when there is no such file.
    """
    named = path or environment.get(ENVIRONMENT_VARIABLE)
    found = Path(named or DEFAULT_FILE)
    if found.exists():
        return found
    if path is None and named:
        raise SettingsError(f"{found}: there is no such settings file ({ENVIRONMENT_VARIABLE} names it)")
    if path is not None:
        raise SettingsError(f"{found}: there is no such settings file: `candles init {found}` writes one")
    raise SettingsError(
        f"there is no {DEFAULT_FILE} here: name a settings file with --settings, or let `candles init` write one"
    )
