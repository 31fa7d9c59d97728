"""The commands that show jobs, and those that steer a job which another process runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import click

from actors.cli.completion import job_argument
from actors.cli.support import (
    App,
    json_option,
    load_settings,
    nobody_runs,
    read_timestamp,
    settings_option,
    write_json,
    write_table,
)
from actors.cli.text import history as history_text
from actors.cli.text import progress as progress_text
from domain.jobs.progress import Progress

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle

JOB_HEADS = ("JOB", "STATUS", "SYMBOLS", "FAILED", "CANDLES", "STARTED")


@click.command()
@settings_option
@json_option
@click.pass_obj
def jobs(app: App, settings_path: str | None, as_json: bool) -> None:
    """List all jobs, oldest first."""
    with app.open_service(load_settings(settings_path)) as service:
        listed = service.jobs()
    if as_json:
        write_json([progress.as_json() for progress in listed])
    elif listed:
        write_table(JOB_HEADS, map(_job_row, listed), elastic="STATUS")
        if any(progress.is_orphaned for progress in listed):
            click.echo("`candles resume JOB` takes up what nobody runs")
    else:
        click.echo("no jobs yet: `candles collect` starts one")


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_obj
def status(app: App, job: str, settings_path: str | None, as_json: bool) -> None:
    """Show the state of JOB."""
    with app.open_service(load_settings(settings_path)) as service:
        _show(service.progress(job), as_json)


@click.command()
@job_argument
@click.option(
    "--at",
    metavar="TIME",
    callback=read_timestamp,
    help="Show the job as it was at this moment, e.g. 2024-03-01T12:00:00Z.",
)
@settings_option
@json_option
@click.pass_obj
def history(app: App, job: str, at: datetime | None, settings_path: str | None, as_json: bool) -> None:
    """Show what happened to JOB, when, why and by whom."""
    with app.open_service(load_settings(settings_path)) as service:
        entries, request = service.history(job, until=at), service.request_of(job)
        progress = service.progress(job, at=at)
    if as_json:
        write_json({"progress": progress.as_json(), **history_text.as_json(entries, request)})
        return
    click.echo("\n".join(history_text.lines(entries, request)))
    if at is not None:
        click.echo(f"as it was at {progress_text.timestamp_text(at)}:")
        _show(progress, as_json=False)


@click.command()
@job_argument
@click.option("--now", is_flag=True, help="Stop after the current page instead of after the symbol.")
@settings_option
@json_option
@click.pass_obj
def pause(app: App, job: str, now: bool, settings_path: str | None, as_json: bool) -> None:
    """Pause JOB: its runner waits, and sends nothing until it is resumed."""
    _steer(app, job, settings_path, as_json, lambda handle: handle.pause(now=now))


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_obj
def shutdown(app: App, job: str, settings_path: str | None, as_json: bool) -> None:
    """Pause JOB within a second and end its runner."""
    _steer(app, job, settings_path, as_json, lambda handle: handle.shutdown())


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_obj
def cancel(app: App, job: str, settings_path: str | None, as_json: bool) -> None:
    """Cancel JOB; what it has collected is kept."""
    with app.open_service(load_settings(settings_path)) as service:
        _show(service.cancel(job), as_json)


def _steer(
    app: App, job: str, settings_path: str | None, as_json: bool, command: Callable[[JobHandle], Progress]
) -> None:
    chosen = load_settings(settings_path)
    with app.open_service(chosen) as service:
        handle = service.attach(job)
        if handle is None:
            raise nobody_runs(app, service.progress(job), chosen)
        _show(command(handle), as_json)


def _show(progress: Progress, as_json: bool) -> None:
    if as_json:
        write_json(progress.as_json())
        return
    click.echo("\n".join(progress_text.summary(progress)))
    click.echo(f"  started   {progress_text.timestamp_text(progress.started_at)}")
    if progress.completed_at:
        click.echo(f"  ended     {progress_text.timestamp_text(progress.completed_at)}")


def _job_row(progress: Progress) -> tuple[str, ...]:
    return (
        progress.job_id,
        progress_text.short_state_text(progress),
        f"{progress.symbols_completed:,}/{progress.symbols_total:,}",
        f"{progress.symbols_failed:,}",
        f"{progress.candles_saved:,}",
        progress_text.timestamp_text(progress.started_at),
    )
