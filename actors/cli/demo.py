"""The demonstration: a whole job against the bundled exchange, checked by the exchange's own count."""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from actors.cli.foreground import run_in_foreground
from actors.cli.support import App
from actors.exit_codes import ExitCode
from actors.settings.model import Settings

LIMIT = "15/1s"
SYMBOLS = 100
RECORDED = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
"""The symbols for which the exchange serves recorded candles; the summary shows how many they are."""


@click.command()
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="Keep what it collects in this folder.")
@click.pass_context
def demo(ctx: click.Context, keep: Path | None) -> None:
    """Collect 100 symbols from a bundled simulated exchange, and show the exchange's own count."""
    ctx.exit(run_demo(ctx.obj, keep))


def run_demo(app: App, keep: Path | None) -> int:
    """Collect daily candles of 100 symbols and print what the exchange saw; returns the exit code.

    With `keep`, the settings file, the candles and the job stay in that folder.
    """
    from actors.wiring import simulated_exchange

    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="candles-demo-")))
        folder.mkdir(parents=True, exist_ok=True)
        exchange = stack.enter_context(simulated_exchange(["--limits", LIMIT, "--days-of", RECORDED[0]]))
        path = folder / "candles.toml"
        path.write_text(_settings_text(exchange.base_url), encoding="utf-8")
        click.echo(
            f"collecting {SYMBOLS} symbols from a simulated exchange at {exchange.base_url}, which takes {LIMIT}"
        )
        code = run_in_foreground(app, Settings.load(path), lambda service: service.submit(), as_json=False)
        report = exchange.report()
        click.echo("\n".join(_verdict(report, exchange.symbols())))
        if keep:
            click.echo(
                f"kept in {keep}: export it with `{app.program} export --settings {path} --format csv --out DIR`"
            )
        return ExitCode.FAILED if report["violations"] else code


def _settings_text(base_url: str) -> str:
    generated = [f"DEMO{number:02d}" for number in range(1, SYMBOLS + 1 - len(RECORDED))]
    symbols = ", ".join(f'"{symbol}"' for symbol in (*RECORDED, *generated))
    return f"""[broker]
gateway = "binance"
base_url = "{base_url}"
account = "demo"
limits = ["{LIMIT}"]
[job]
symbols = [{symbols}]
interval = "1d"
calendar = "XNYS"
start = 2008-01-01
end = 2013-01-01
workers = 2
[storage]
root = "data"
"""


def _verdict(report: dict[str, Any], symbols: dict[str, str]) -> list[str]:
    origins = Counter(symbols.values())
    most = ", ".join(f"{count} of {limit}" for limit, count in report["most_in_window"].items())
    return [
        "the exchange's own count",
        f"  requests  {report['requests']:,} in {report['first_to_last_seconds']:.1f} s from the first to the last",
        f"  most      {most} in any window",
        f"  refused   {report['violations']:,} violations",
        f"  candles   {origins['recorded']} symbols recorded on US stock exchanges, {origins['generated']} generated",
    ]
