"""The command that forecasts a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from actors.cli.support import App, json_option, load_settings, settings_option, write_json
from actors.cli.text.progress import duration_text
from domain.errors import SettingsError
from domain.jobs.forecast import SLOTS

if TYPE_CHECKING:
    from actors.use_cases.planner import JobPlan
    from domain.jobs.forecast import CollectionForecast


@click.command()
@click.argument("file", required=False)
@settings_option
@json_option
@click.pass_obj
def plan(app: App, file: str | None, settings_path: str | None, as_json: bool) -> None:
    """Show what collecting settings FILE would take: requests, weight, time and bytes on disk.

    No request is made. Time counts from the first request; starting Ray takes some seconds more.
    """
    if file and settings_path:
        raise SettingsError(f"name one settings file, not both {file} and {settings_path}")
    jobs = load_settings(file or settings_path).jobs
    plans = []
    for one in jobs:
        one.require_broker()
        one.require_job()
        with app.open_service(one) as service:
            plans.append(service.plan())
    if as_json:
        write_json(plans[0].as_json() if len(plans) == 1 else [planned.as_json() for planned in plans])
    else:
        click.echo("\n\n".join("\n".join(plan_lines(planned)) for planned in plans))


def plan_lines(planned: JobPlan) -> list[str]:
    """A plan as a person reads it."""
    foreseen = planned.forecast
    complete = f", {foreseen.symbols_complete:,} complete already" if foreseen.symbols_complete else ""
    lines = [
        f"job       {_job_text(planned)}",
        f"symbols   {foreseen.symbols_total:,}{complete}",
        f"candles   {planned.request.interval} of {planned.request.span}: {foreseen.bars_stored:,} there, "
        f"{foreseen.bars_expected:,} to come",
    ]
    if not foreseen.requests:
        return [*lines, "requests  0: everything is stored"]
    return [
        *lines,
        f"requests  {foreseen.requests:,} (weight {foreseen.weight:,})",
        f"time      {_time_text(foreseen)}",
        *_bounds(foreseen, planned),
        f"disk      about {_size_text(foreseen.bytes_expected)} more, at {foreseen.bytes_per_bar:.1f} B a bar "
        f"({'as measured here' if foreseen.bytes_are_measured else 'a guess: no such bar is stored yet'})",
    ]


def _job_text(planned: JobPlan) -> str:
    job = planned.job
    if job is None:
        return "a new one"
    if job.status.is_final and planned.forecast.requests:
        return f"{job.job_id}, {job.status}: `collect` makes no request, `retry` collects what is missing"
    return f"{job.job_id}, {job.status}"


def _time_text(foreseen: CollectionForecast) -> str:
    if foreseen.is_lower_bound:
        return f"at least {duration_text(foreseen.seconds)}: no earlier job has timed a call"
    call_ms = 1000 * foreseen.timings.mean_call_seconds
    calls = f"calls of {call_ms:.0f} ms ({foreseen.timings.requests:,} timed)"
    return f"{duration_text(foreseen.seconds)}, bound by {foreseen.bound_by}, with {calls}"


def _bounds(foreseen: CollectionForecast, planned: JobPlan) -> list[str]:
    """The time that each limit alone would take, where there is more than one."""
    bounds = dict(foreseen.seconds_by_limit)
    if not foreseen.is_lower_bound:
        request = planned.request
        bounds[f"{SLOTS} {request.workers} x {request.concurrency}"] = foreseen.slots_seconds
    width = max(map(len, bounds))
    return [f"  {name.ljust(width)}  {duration_text(seconds)}" for name, seconds in bounds.items()]


def _size_text(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
