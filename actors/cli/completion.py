"""Shell completion: of commands and options, and of the jobs in the store."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from actors.cli.support import App, Command, load_settings
from domain.errors import CollectorError

PROGRAM = "candles"
VARIABLE = "_CANDLES_COMPLETE"
"""Set by the scripts when they ask this program for completions."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the script with which a shell completes commands, options and jobs.

    \b
    bash, in ~/.bashrc:  eval "$(candles completion bash)"
    zsh, in ~/.zshrc:    eval "$(candles completion zsh)"
    fish:                candles completion fish > ~/.config/fish/completions/candles.fish
    """
    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(ctx.find_root().command, {}, PROGRAM, VARIABLE).source())


def job_argument(command: Command) -> Command:
    """Adds JOB, which completes from the store."""
    return click.argument("job", shell_complete=complete_job)(command)


def complete_job(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    """The ids of stored jobs that begin with `incomplete`; the store is that of the line's settings."""
    app = ctx.find_object(App) or App()
    try:
        with ctx.scope(cleanup=False), app.open_service(load_settings(ctx.params.get("settings_path"))) as service:
            return [job_id for job_id in service.job_ids() if job_id.startswith(incomplete)]
    except CollectorError:
        # There is nowhere to show an error while a line is being typed.
        return []
