"""The commands that show what is stored and what is not: gaps, quarantine, verify."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from actors.cli.completion import complete_job, job_argument
from actors.cli.foreground import run_in_foreground
from actors.cli.support import (
    App,
    json_option,
    load_settings,
    settings_option,
    write_json,
)
from actors.cli.text.proof import (
    certificate_json,
    certificate_lines,
    gap_lines,
    gaps_json,
    gaps_summary,
    proof_summary,
    refused_json,
    refused_lines,
)
from actors.exit_codes import ExitCode
from actors.settings.model import Settings
from actors.settings.overrides import overrides_in
from actors.use_cases.candle_proof import CandleProof
from actors.use_cases.job_proof import Repair
from domain.candles.certificates import Certificate
from domain.candles.completeness import Completeness
from domain.errors import SettingsError
from domain.jobs.request import CollectionRequest

if TYPE_CHECKING:
    from actors.cluster.handles import JobHandle
    from actors.service import CollectionService
    from actors.use_cases.finished_job import FinishedJob


@click.command()
@click.argument("target", metavar="SYMBOL|JOB", shell_complete=complete_job)
@click.option("--interval", help='Only this interval of the symbol, like "1d".')
@click.option("--all", "show_all", is_flag=True, help="List what is closed and what is provisional, too.")
@click.option("--repair", is_flag=True, help="Fetch what is missing, request gaps once more, replace damaged files.")
@settings_option
@json_option
@click.pass_context
def gaps(
    ctx: click.Context,
    target: str,
    interval: str | None,
    show_all: bool,
    repair: bool,
    settings_path: str | None,
    as_json: bool,
) -> None:
    """List what is missing of a symbol or a job; exits with 0 when nothing is missing, else with 1.

    A gap is an answer: the calendar expected bars, and the broker denied them twice. This reads only the headers of the
    files; `verify` and --repair read them in full.
    """
    app: App = ctx.obj
    chosen = load_settings(settings_path)
    if repair:
        target, code = _repair(app, chosen, target, interval, as_json)
        if code != ExitCode.COMPLETED:
            ctx.exit(code)
    with app.open_service(chosen) as service:
        judged = service.proof().gaps(target, interval)
    if as_json:
        write_json([gaps_json(one) for one in judged])
    else:
        _show_gaps(judged, show_all)
    ctx.exit(ExitCode.COMPLETED if all(one.is_complete for one in judged) else ExitCode.FAILED)


@click.command()
@job_argument
@settings_option
@json_option
@click.pass_obj
def quarantine(app: App, job: str, settings_path: str | None, as_json: bool) -> None:
    """List the bars of JOB that were refused, with the reasons."""
    with app.open_service(load_settings(settings_path)) as service:
        refused = service.proof().quarantine(job)
    if as_json:
        write_json([refused_json(dataset, candle) for dataset, candle in refused])
    elif refused:
        click.echo("\n".join(refused_lines(refused)))
    else:
        click.echo("no bar was refused")


@click.command()
@click.argument("target", metavar="JOB|ROOT", shell_complete=complete_job)
@click.option("--calendar", help='With ROOT: whose sessions to expect, like "XNYS" [default: gaps are not judged].')
@click.option("--overrides", type=click.Path(dir_okay=False, path_type=Path), help="With ROOT: a calendar's overrides.")
@settings_option
@json_option
@click.pass_context
def verify(
    ctx: click.Context,
    target: str,
    calendar: str | None,
    overrides: Path | None,
    settings_path: str | None,
    as_json: bool,
) -> None:
    """Prove from disk alone that JOB, or all candles under the folder ROOT, are complete and unharmed.

    Reads every file in full. Exits with 0 when everything is proven, else with 1.
    """
    certificates = (
        _verify_folder(ctx.obj, Path(target), calendar, overrides)
        if Path(target).is_dir()
        else _verify_job(ctx.obj, target, calendar or overrides, settings_path)
    )
    if as_json:
        write_json({"datasets": [certificate_json(one) for one in certificates], **proof_summary(certificates)})
    else:
        _show_certificates(certificates)
    ctx.exit(ExitCode.COMPLETED if all(one.is_proven for one in certificates) else ExitCode.FAILED)


def _repair(app: App, chosen: Settings, target: str, interval: str | None, as_json: bool) -> tuple[str, int]:
    """Repair; returns the full name of what was repaired, and the exit code."""
    with app.open_service(chosen) as service:
        repair: Repair = service.proof().repair(target, interval)
    for damage in repair.set_aside:
        click.echo(f"set aside: {damage.path}: {damage.reason}", err=as_json)
    codes = [run_in_foreground(app, chosen, partial(_submit_new, request), as_json) for request in repair.requests]
    return repair.target, max(codes, default=ExitCode.COMPLETED)


def _submit_new(request: CollectionRequest, service: CollectionService) -> JobHandle | FinishedJob:
    return service.submit(request, force_new=True)


def _show_gaps(judged: Sequence[Completeness], show_all: bool) -> None:
    click.echo("\n".join([*gap_lines(judged, show_all), gaps_summary(judged)]))


def _verify_job(app: App, job: str, ignored: object, settings_path: str | None) -> list[Certificate]:
    if ignored:
        raise SettingsError(f"{job} is not a folder: a job has its own calendar and overrides")
    with app.open_service(load_settings(settings_path)) as service:
        return service.proof().certificates(job)


def _verify_folder(app: App, root: Path, calendar: str | None, overrides: Path | None) -> list[Certificate]:
    if overrides and not calendar:
        raise SettingsError("--overrides says when a market opens: name the market's --calendar, too")
    try:
        known = overrides_in(overrides) if overrides else ()
    except ValueError as error:
        raise SettingsError(f"--overrides: {error}") from error
    proof: CandleProof = app.open_store(root.absolute(), known)
    certificates = [proof.certificate(scope) for scope in proof.scopes_of_everything(calendar)]
    if not certificates:
        raise SettingsError(f"{root}: no candles are stored under this folder")
    return certificates


def _show_certificates(certificates: Sequence[Certificate]) -> None:
    click.echo("\n".join(certificate_lines(certificates)))
    for one in certificates:
        for problem in one.problems:
            click.echo(f"{one.completeness.dataset.symbol}: {problem}")
    total = proof_summary(certificates)
    click.echo(f"{total['proven']:,} of {len(certificates):,} datasets are proven, {total['bars']:,} bars")
    click.echo(f"content of all: {total['content_hash']}")
