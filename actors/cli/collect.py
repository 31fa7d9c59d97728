"""The commands that run or watch a job in the foreground: collect, resume, retry, watch."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from actors.cli.completion import job_argument
from actors.cli.display import display_for
from actors.cli.foreground import conclude, follow, run_in_foreground
from actors.cli.support import App, json_option, load_settings, nobody_runs, settings_option
from actors.exit_codes import ExitCode
from actors.settings.model import Settings
from domain.errors import SettingsError
from domain.jobs.status import JobStatus


@click.command()
@click.argument("file", required=False)
@settings_option
@json_option
@click.pass_context
def collect(ctx: click.Context, file: str | None, settings_path: str | None, as_json: bool) -> None:
    """Collect what settings FILE names, one job after the other where it has several.

    Run again on the same file, it resumes a paused job, watches a running one, and makes no request for a finished one.
    Ctrl-C pauses the job and shows how to go on.
    """
    if file and settings_path:
        raise SettingsError(f"name one settings file, not both {file} and {settings_path}")
    jobs = load_settings(file or settings_path).jobs
    for one in jobs:
        one.require_broker()
        one.require_job()
    ctx.exit(_collect_all(ctx.obj, jobs, as_json))


def _collect_all(app: App, jobs: Sequence[Settings], as_json: bool) -> int:
    """Collect one job after the other, until one is stopped; returns the worst of their exit codes."""
    codes = []
    for one in jobs:
        code = run_in_foreground(app, one, lambda service: service.submit(), as_json)
        codes.append(code)
        if code in (ExitCode.PAUSED, ExitCode.INTERRUPTED):
            break
    worst_first = (ExitCode.INTERRUPTED, ExitCode.PAUSED, ExitCode.FAILED, ExitCode.CANCELLED)
    return next((code for code in worst_first if code in codes), max(codes))


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_context
def resume(ctx: click.Context, job: str, settings_path: str | None, as_json: bool) -> None:
    """Resume JOB in this terminal; a running job is watched."""
    ctx.exit(run_in_foreground(ctx.obj, load_settings(settings_path), lambda service: service.resume(job), as_json))


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_context
def retry(ctx: click.Context, job: str, settings_path: str | None, as_json: bool) -> None:
    """Collect the failed symbols of JOB once more."""
    ctx.exit(run_in_foreground(ctx.obj, load_settings(settings_path), lambda service: service.retry(job), as_json))


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_context
def watch(ctx: click.Context, job: str, settings_path: str | None, as_json: bool) -> None:
    """Watch JOB until it ends; Ctrl-C only stops watching."""
    app: App = ctx.obj
    chosen = load_settings(settings_path)
    with app.open_service(chosen) as service:
        handle = service.attach(job)
        if handle is None:
            progress = service.progress(job)
            if progress.status in (JobStatus.RUNNING, JobStatus.PENDING):
                raise nobody_runs(app, progress, chosen)
        with display_for(sys.stdout, as_json) as display:
            if handle is None:
                display.show(progress)
            else:
                progress = follow(handle, display, lambda: False)
        conclude(app, chosen, progress, as_json)
        ctx.exit(ExitCode.of(progress))
