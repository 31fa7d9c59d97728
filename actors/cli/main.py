"""The command `candles`: collects candles and steers the jobs that do."""

from __future__ import annotations

import click

from actors.cli import audit, brokers, collect, completion, demo, export, init, jobs, limiter, plan, proof
from actors.cli.support import App, SentenceGroup
from actors.standard_streams import make_patient


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
    init.init,
    plan.plan,
    collect.collect,
    jobs.jobs,
    jobs.status,
    collect.watch,
    jobs.pause,
    collect.resume,
    jobs.shutdown,
    jobs.cancel,
    collect.retry,
    jobs.history,
    proof.gaps,
    proof.quarantine,
    proof.verify,
    audit.audit,
    limiter.limiter,
    brokers.brokers,
    export.export,
    export.mirror,
    completion.completion,
    demo.demo,
):
    commands.add_command(command)


def main() -> None:
    """Run the command line and exit with its code."""
    make_patient()
    commands(prog_name=completion.PROGRAM, complete_var=completion.VARIABLE)
