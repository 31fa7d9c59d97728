"""The commands that write stored candles as files: export and mirror."""

from __future__ import annotations

from pathlib import Path

import click

from actors.cli.completion import complete_job
from actors.cli.support import App, json_option, load_settings, settings_option, write_json
from actors.exit_codes import ExitCode
from domain.errors import SettingsError


@click.command()
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--symbol", "symbols", multiple=True, help="Only this symbol; may be given several times.")
@click.option("--format", "file_format", type=click.Choice(["parquet", "csv"]), default="parquet", show_default=True)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The folder to write to.")
@settings_option
@json_option
@click.pass_obj
def export(
    app: App,
    job: str | None,
    symbols: tuple[str, ...],
    file_format: str,
    out: Path,
    settings_path: str | None,
    as_json: bool,
) -> None:
    """Export the candles of JOB, or of symbols, or of all that the settings file names."""
    if job and symbols:
        raise SettingsError("name a job or symbols to export, not both")
    with app.open_service(load_settings(settings_path)) as service:
        paths = service.export(out, file_format, job=job, symbols=symbols)
    if as_json:
        write_json([str(path) for path in paths])
    else:
        click.echo("\n".join(map(str, paths)))


@click.command()
@click.argument("job", required=False, shell_complete=complete_job)
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="The mirror's folder.")
@settings_option
@json_option
@click.pass_context
def mirror(ctx: click.Context, job: str | None, out: Path, settings_path: str | None, as_json: bool) -> None:
    """Bring a Parquet mirror of JOB's candles, or of all that are stored, up to date.

    DuckDB, polars and pandas read it as one data set of hive folders. Only what has changed is written;
    it may run while a job collects.
    """
    app: App = ctx.obj
    with app.open_service(load_settings(settings_path)) as service:
        report = service.mirror(out, job)
    if as_json:
        write_json(report.as_json())
    else:
        click.echo(f"{len(report.written):,} written, {report.unchanged:,} unchanged, {len(report.removed):,} removed")
    for path in report.left_alone:
        click.echo(f"candles: {path} is not a file of this mirror: left alone", err=True)
    for problem in report.damaged.values():
        click.echo(f"candles: {problem}", err=True)
    if report.damaged or report.left_alone:
        ctx.exit(ExitCode.FAILED)
