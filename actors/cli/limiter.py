"""The commands with which an operator steers a broker account, whichever process runs jobs on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from actors.cli.support import App, SentenceGroup, json_option, load_settings, settings_option, write_json, write_table
from actors.cli.text import limiter as limiter_text
from actors.cli.text.progress import duration_text
from actors.settings.model import Settings, find_settings_file
from domain.errors import SettingsError

if TYPE_CHECKING:
    from actors.use_cases.limiter_operator import LimiterOperator

DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class Account:
    """The account a command is about, and the cluster where its limiter may be found."""

    broker: str
    name: str
    cluster: str | None = None

    def __str__(self) -> str:
        return f"{self.broker}/{self.name}"

    def opened(self, app: App) -> LimiterOperator:
        """The account's operator."""
        return app.open_limiter(self.broker, self.name, self.cluster)


@click.group(cls=SentenceGroup)
def limiter() -> None:
    """Pause all traffic to BROKER at once, resume it, show it, end a cooldown, or end its limiter.

    Works from any terminal of the machine where the limiter runs, for an embedded run as for a cluster.
    """


def account_arguments(command: Callable[..., None]) -> Callable[..., None]:
    """Adds BROKER, `--account` and `--settings`."""
    command = settings_option(command)
    help_text = f"Which account of it [default: that of the settings file, else {DEFAULT_ACCOUNT}]."
    command = click.option("--account", metavar="NAME", help=help_text)(command)
    return click.argument("broker")(command)


@limiter.command()
@account_arguments
@click.pass_obj
def pause(app: App, broker: str, account: str | None, settings_path: str | None) -> None:
    """Send nothing more to BROKER until it is resumed, even after a restart."""
    chosen = _account(broker, account, settings_path)
    with chosen.opened(app) as operator:
        heard = operator.pause()
    said = f"{chosen} is paused" if heard else f"no limiter of {chosen} runs: the next one starts paused"
    click.echo(f"{said}; `{app.program} limiter resume {broker} --account {chosen.name}` ends it")


@limiter.command()
@account_arguments
@click.pass_obj
def resume(app: App, broker: str, account: str | None, settings_path: str | None) -> None:
    """Allow requests to BROKER again after a pause."""
    chosen = _account(broker, account, settings_path)
    with chosen.opened(app) as operator:
        heard = operator.resume()
    click.echo(f"{chosen} goes on" if heard else f"no limiter of {chosen} runs: the next one starts unpaused")


@limiter.command("end-cooldown")
@account_arguments
@click.pass_obj
def end_cooldown(app: App, broker: str, account: str | None, settings_path: str | None) -> None:
    """End BROKER's cooldown early, where you know better than its Retry-After.

    The wait for permits that may have been forgotten goes on, and so does an operator's pause.
    """
    chosen = _account(broker, account, settings_path)
    with chosen.opened(app) as operator:
        left_seconds = operator.end_cooldown()
        if left_seconds is None:
            raise SettingsError(f"no limiter of {chosen} runs: a cooldown can be ended while one does")
        status = operator.status()
    said = f"its cooldown has ended {duration_text(left_seconds)} early" if left_seconds else "it is in no cooldown"
    click.echo(f"{chosen}: {said}" + (f"; it is {limiter_text.state_text(status)}" if status else ""))


@limiter.command()
@account_arguments
@click.pass_obj
def shutdown(app: App, broker: str, account: str | None, settings_path: str | None) -> None:
    """End the limiter of BROKER: its jobs pause, and no symbol is blamed."""
    chosen = _account(broker, account, settings_path)
    with chosen.opened(app) as operator:
        if not operator.shutdown():
            raise SettingsError(f"no limiter of {chosen} runs")
    click.echo(f"the limiter of {chosen} has ended: its jobs pause, and the next run begins another")


@limiter.command()
@account_arguments
@json_option
@click.pass_obj
def status(app: App, broker: str, account: str | None, settings_path: str | None, as_json: bool) -> None:
    """Show what BROKER's limiter counts, which jobs wait, and whether it is paused or in cooldown."""
    chosen = _account(broker, account, settings_path)
    with chosen.opened(app) as operator:
        found, is_paused = operator.status(), operator.is_paused
    if as_json:
        write_json(
            {"broker": broker, "account": chosen.name, "running": found is not None, "paused": is_paused}
            | (limiter_text.as_json(found) if found else {})
        )
    elif found is None:
        click.echo(f"no limiter of {chosen} runs" + ("; an operator paused the account" if is_paused else ""))
    else:
        click.echo("\n".join(limiter_text.summary(found)))
        write_table(limiter_text.WINDOW_HEADS, limiter_text.window_rows(found))
        if found.jobs:
            write_table(limiter_text.JOB_HEADS, limiter_text.job_rows(found))


def _account(broker: str, account: str | None, settings_path: str | None) -> Account:
    from actors.wiring import gateway_names, limit_domain_of, limits_for

    names = gateway_names()
    if broker not in names:
        raise SettingsError(f"{broker!r} is not a broker: there are {', '.join(names)}")
    chosen = _settings(settings_path)
    for one in chosen.jobs if chosen else ():
        if one.broker is not None and one.broker.gateway == broker:
            limits = limits_for(one.broker.model_copy(update={"account": account} if account else {}))
            cluster = None if one.cluster.address == "embedded" else one.cluster.address
            return Account(limits.broker, limits.account, cluster)
    return Account(limit_domain_of(broker), account or DEFAULT_ACCOUNT)


def _settings(settings_path: str | None) -> Settings | None:
    """The settings, if there is a file: an account can be steered without one."""
    try:
        find_settings_file(settings_path)
    except SettingsError:
        if settings_path is not None:
            raise
        return None
    return load_settings(settings_path)
