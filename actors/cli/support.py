"""What every command shares: the service, the options, and how output and errors look."""

from __future__ import annotations

import json
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from actors.cli.text.tables import table_lines
from actors.exit_codes import EXPECTED_ERRORS, ExitCode, sentence_of
from actors.settings.model import DEFAULT_FILE, ENVIRONMENT_VARIABLE, Settings, find_settings_file
from actors.settings.signature import signed
from actors.settings.timestamps import timestamp_from_text
from actors.standard_streams import why_unwritten
from domain.candles.sessions import SessionOverride
from domain.errors import SettingsError, StorageUnavailable
from domain.jobs.progress import Progress
from domain.jobs.status import JobStatus

if TYPE_CHECKING:
    from actors.service import CollectionService
    from actors.use_cases.candle_proof import CandleProof
    from actors.use_cases.limiter_operator import LimiterOperator

Command = TypeVar("Command", bound=Callable[..., Any])


def open_service(chosen: Settings) -> CollectionService:
    """The real service; imported only now, so that `candles --help` stays quick."""
    from actors.service import CollectionService

    return CollectionService(chosen, by=signed(f"candles {click.get_current_context().info_name}"))


def open_store(root: Path, overrides: Sequence[SessionOverride]) -> CandleProof:
    """The proof of the candles under a folder; it needs no settings, no job and no broker."""
    from actors.service import candle_proof

    return candle_proof(root, overrides)


def open_limiter(broker: str, account: str, cluster: str | None = None) -> LimiterOperator:
    """The real operator of an account's limiter; imported only now as well."""
    from actors.service import limiter_operator

    return limiter_operator(broker, account, cluster)


def program_name() -> str:
    """The command line that calls this program again from the same folder."""
    called = Path(sys.argv[0])
    if called.name != "candles":
        return "python -m actors"
    return "candles" if shutil.which("candles") else shlex.quote(str(called))


@dataclass(frozen=True)
class App:
    """What a command works with; tests inject a service of their own."""

    open_service: Callable[[Settings], CollectionService] = open_service
    open_store: Callable[[Path, Sequence[SessionOverride]], CandleProof] = open_store
    open_limiter: Callable[[str, str, str | None], LimiterOperator] = open_limiter
    program: str = field(default_factory=program_name)

    def command_line(self, command: str, job_id: str, chosen: Settings) -> str:
        """The line that carries out `command` on the job with the same settings."""
        return f"{self.program} {command} {job_id} --settings {shlex.quote(str(chosen.path))}"


class SentenceGroup(click.Group):
    """A group of commands whose every expected error is one sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; wrong input ends with 2, any other expected error with 1."""
        try:
            result = super().invoke(ctx)
            check_written()
            return result
        except EXPECTED_ERRORS as error:
            click.echo(f"candles: {sentence_of(error)}", err=True)
            ctx.exit(ExitCode.of(error))
        except KeyboardInterrupt as error:
            ctx.exit(ExitCode.of(error))


def check_written() -> None:
    """Raise StorageUnavailable where standard output lacks what a command wrote.

    Commands that see a job through leave with its code before this: what became of it does not depend on who reads.
    """
    reason = why_unwritten(sys.stdout)
    if reason:
        raise StorageUnavailable("standard output", reason)


def read_timestamp(ctx: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    """An option's callback: a timestamp in ISO 8601 with its zone; anything else raises SettingsError."""
    try:
        return None if value is None else timestamp_from_text(value)
    except ValueError as error:
        raise SettingsError(f"--{parameter.name}: {error}") from error


def settings_option(command: Command) -> Command:
    """Adds `--settings FILE`, the path as `settings_path`."""
    return click.option(
        "--settings",
        "settings_path",
        metavar="FILE",
        help=f"Settings file [default: {ENVIRONMENT_VARIABLE}, else {DEFAULT_FILE} here].",
    )(command)


def json_option(command: Command) -> Command:
    """Adds `--json`, as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Write JSON instead of text.")(command)


def load_settings(settings_path: str | None) -> Settings:
    """The settings a command works under. Raises SettingsError."""
    return Settings.load(find_settings_file(settings_path))


def nobody_runs(app: App, progress: Progress, chosen: Settings) -> SettingsError:
    """The error of a command that needs a runner, with the commands that start one."""
    advice = {JobStatus.FAILED: "retry", JobStatus.COMPLETED: "", JobStatus.CANCELLED: ""}
    command = advice.get(progress.status, "resume")
    line = f": `{app.command_line(command, progress.job_id, chosen)}` takes it up" if command else ""
    return SettingsError(f"nobody runs job {progress.job_id}, which is {progress.status}{line}")


def write_json(value: object) -> None:
    """Write a value as JSON; timestamps and paths as text."""
    click.echo(json.dumps(value, indent=2, default=str))


def write_table(heads: Sequence[str], rows: Iterable[Sequence[str]], elastic: str = "") -> None:
    """Write aligned columns; see `table_lines`."""
    click.echo("\n".join(table_lines(heads, rows, elastic)))
