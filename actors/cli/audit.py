"""The command that proves a run: audit."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from actors.cli.completion import job_argument
from actors.cli.support import (
    App,
    json_option,
    load_settings,
    settings_option,
    write_json,
    write_table,
)
from actors.cli.text.progress import duration_text, timestamp_text
from actors.exit_codes import ExitCode
from actors.use_cases.auditor import AuditReport
from domain.limits.audit import JobAudit, WindowAudit


@click.command()
@job_argument
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the fullest windows over time to this file: .svg, .png or .pdf.",
)
@settings_option
@json_option
@click.pass_context
def audit(ctx: click.Context, job: str, plot: Path | None, settings_path: str | None, as_json: bool) -> None:
    """Prove that JOB kept the limits, from when each permit was granted and each request was over.

    Shows for every limit the most that any window of its length could have held, whenever the requests really arrived.
    Where the broker is the simulated exchange, its own count is shown, too. Exit code 1 when a window could have held
    more, or when the log has evidence gaps.
    """
    app: App = ctx.obj
    with app.open_service(load_settings(settings_path)) as service:
        report = service.audit(job, plot)
    if as_json:
        write_json(_as_json(report))
    else:
        _write(report)
        if plot:
            click.echo(f"drawn to {plot}")
    ctx.exit(ExitCode.COMPLETED if report.is_proven else ExitCode.FAILED)


def _write(report: AuditReport) -> None:
    verdict = report.audit
    click.echo(f"{verdict.job_id}: {_sentence(verdict)}")
    click.echo(
        f"  permits  {verdict.permits:,} from {timestamp_text(_moment(verdict.first_seconds))} "
        f"on, over {duration_text(verdict.last_seconds - verdict.first_seconds)}: {verdict.answered:,} answered, "
        f"{verdict.abandoned:,} abandoned, {verdict.unheard:,} with no completion known"
    )
    if verdict.of_other_jobs:
        click.echo(f"  others   {verdict.of_other_jobs:,} permits of other jobs on the account count as well")
    for gap in verdict.evidence_gaps:
        click.echo(f"  gap      {gap}")
    write_table(
        ("  LIMIT", "MOST IN A WINDOW", "OF THIS JOB", "WHEN"),
        [_row(window, verdict.first_seconds) for window in verdict.windows],
    )
    if report.server:
        _write_server(report.server)


def _sentence(verdict: JobAudit) -> str:
    if any(window.excesses for window in verdict.windows):
        return "NOT PROVEN: a window could have held more than its limit"
    if verdict.evidence_gaps:
        return "NOT PROVEN: no window is known to have held more than its limit, but the log has evidence gaps"
    return "proven: no window can have held more than its limit"


def _row(window: WindowAudit, first_seconds: float) -> tuple[str, ...]:
    excess = f", {window.excesses:,} windows too full" if window.excesses else ""
    when = f"{duration_text(max(0.0, window.at_seconds - first_seconds))} after the start{excess}"
    return f"  {window.limit}", f"{window.most:,} of {window.limit.amount:,}", f"{window.of_job:,}", when


def _write_server(server: Any) -> None:
    most = ", ".join(f"{count:,} of {limit}" for limit, count in server["most_in_window"].items())
    click.echo("the exchange's own count of all its requests")
    click.echo(f"  requests {server['requests']:,}; {server['violations']:,} of them were too many")
    click.echo(f"  most     {most} in any window")


def _as_json(report: AuditReport) -> dict[str, Any]:
    verdict = report.audit
    windows = [
        {
            **asdict(window),
            "limit": str(window.limit),
            "amount": window.limit.amount,
            "at": _moment(window.at_seconds).isoformat(),
        }
        for window in verdict.windows
    ]
    return {
        **asdict(verdict),
        "windows": windows,
        "first": _moment(verdict.first_seconds).isoformat(),
        "last": _moment(verdict.last_seconds).isoformat(),
        "is_proven": report.is_proven,
        "server": report.server,
    }


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
