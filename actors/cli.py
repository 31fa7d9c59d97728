"""The command `candles`: collect candles, and look after the jobs that do."""

from __future__ import annotations

import click

from actors import cli_audit, cli_collect, cli_files, cli_jobs, cli_limiter, cli_plan, cli_proof
from actors.cli_support import App, SentenceGroup


@click.group(cls=SentenceGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="candle-collector", prog_name="candles")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Collect historical candles without ever exceeding a broker's rate limit.

    JOB is a job's id or any unique beginning of it. Exit codes: 0 completed, 1 failed, 2 wrong input,
    3 paused, 4 completed with failed symbols, 5 cancelled.
    """
    ctx.obj = ctx.obj or App()


for command in (
    cli_files.init,
    cli_plan.plan,
    cli_collect.collect,
    cli_jobs.jobs,
    cli_jobs.status,
    cli_collect.watch,
    cli_jobs.pause,
    cli_collect.resume,
    cli_jobs.shutdown,
    cli_jobs.cancel,
    cli_collect.retry,
    cli_jobs.history,
    cli_proof.gaps,
    cli_proof.quarantine,
    cli_proof.verify,
    cli_audit.audit,
    cli_limiter.limiter,
    cli_files.export,
    cli_files.mirror,
    cli_files.demo,
):
    commands.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    commands(prog_name="candles")
