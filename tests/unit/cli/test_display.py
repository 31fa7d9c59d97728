"""What a person reads of a job's progress, and how often something new is written."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from actors.cli.display import LineDisplay, LiveDisplay, display_for, picture
from actors.cli.text import progress as progress_text
from domain.candles.findings import ABSENT, UNEXPECTED
from domain.jobs.status import JobStatus
from tests.unit.cli.cli_fakes import RUNNING, ended


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.21, "4.2 s"),
        (59.94, "59.9 s"),
        (59.96, "1 m 00 s"),
        (65, "1 m 05 s"),
        (3599.6, "1 h 00 m"),
        (7380, "2 h 03 m"),
        (86400 * 3 + 4 * 3600, "3 d 04 h"),
    ],
)
def test_durations_read_naturally(seconds: float, text: str) -> None:
    assert progress_text.duration_text(seconds) == text


def test_the_line_of_a_running_job_has_bar_symbols_candles_rate_and_eta() -> None:
    assert progress_text.progress_line(RUNNING) == (
        "RUNNING | 50/200 pages 25% | 12 of 100 symbols | 12,345 candles | 14.2/s of 15/1s | ETA 1 m 12 s"
    )


def test_failures_quarantine_and_a_cooldown_are_shown_only_when_there_are_any() -> None:
    troubled = replace(RUNNING, symbols_failed=2, candles_quarantined=7, cooldown_seconds=12.0, eta_seconds=None)
    line = progress_text.progress_line(troubled)
    assert line.startswith("RUNNING, nothing is sent for 12.0 s (the broker refused) | ")
    assert "12 of 100 symbols, 2 failed" in line
    assert "12,345 candles, 7 quarantined" in line
    assert line.endswith("waiting")


def test_a_paused_account_or_one_in_cooldown_shows_no_eta() -> None:
    for held_up in (
        replace(RUNNING, is_account_paused=True),
        replace(RUNNING, cooldown_seconds=12.0),
        replace(RUNNING, evidence_wait_seconds=12.0),
    ):
        assert progress_text.eta_text(held_up) == "waiting"
    assert progress_text.eta_text(replace(RUNNING, eta_seconds=None)) == "ETA ?"


def test_only_what_is_done_to_the_last_page_shows_as_100_percent() -> None:
    assert progress_text.share_text(replace(RUNNING, share=0.9999)) == "99%"
    assert progress_text.share_text(replace(RUNNING, share=1.0)) == "100%"


def test_a_stored_job_shows_its_pages_without_a_total_that_nobody_can_tell() -> None:
    assert progress_text.progress_line(replace(RUNNING, pages_total=None)).startswith("RUNNING | 50 pages 25% | ")


def test_a_wait_that_the_broker_did_not_order_says_why() -> None:
    reason = "the permit record is torn: waiting until nothing sent before can count any more"
    line = progress_text.progress_line(replace(RUNNING, cooldown_seconds=66.0, cooldown_reason=reason))
    assert line.startswith(f"RUNNING, nothing is sent for 1 m 06 s ({reason}) | ")


def test_a_paused_job_says_why_and_has_no_rate() -> None:
    line = progress_text.progress_line(ended(JobStatus.PAUSED, reason="too_many_failures"))
    assert line.startswith("PAUSED (too_many_failures) | ")
    assert "/s" not in line


def test_a_job_that_nobody_runs_does_not_pass_for_a_running_one() -> None:
    said = "RUNNING, but nobody runs it: `candles resume binance-1d-0a1b2c3d` takes it up"
    assert progress_text.state_text(replace(RUNNING, is_attended=False)) == said
    assert progress_text.state_text(replace(RUNNING, is_attended=None)) == "RUNNING", "as it was at an earlier moment"
    pending = replace(RUNNING, status=JobStatus.PENDING, is_attended=False)
    assert progress_text.state_text(pending).startswith("PENDING, but nobody runs it: ")


def test_a_reason_of_many_lines_is_cut_to_one() -> None:
    assert progress_text.one_line("") == ""
    assert progress_text.one_line("\x1b[36mfirst\x1b[39m\nsecond") == "first"
    assert progress_text.one_line("x" * 500) == "x" * 237 + "..."
    assert (
        progress_text.state_text(ended(JobStatus.PAUSED, reason="worker died:\nTraceback")) == "PAUSED (worker died:)"
    )


def test_a_limit_unknown_or_of_less_than_a_second_is_shown_all_the_same() -> None:
    assert progress_text.rate_text(replace(RUNNING, limits=())) == "14.2/s"
    assert progress_text.rate_text(replace(RUNNING, limits=("15/500ms",))) == "14.2/s of 15/500ms"


def test_the_summary_sets_the_run_against_the_ideal_of_its_own_requests() -> None:
    done = replace(ended(JobStatus.COMPLETED), requests=100, running_seconds=6.6, mean_call_seconds=0.04)
    lines = progress_text.summary(replace(done, run_requests=100, run_seconds=6.6))
    assert "  requests  100 in 6.6 s; the ideal under 15/1s, 6000w/60s is 6.3 s" in lines


def test_requests_and_their_time_are_of_this_run_and_those_of_earlier_runs_are_told_apart() -> None:
    done = replace(ended(JobStatus.COMPLETED), requests=100, running_seconds=6.6, mean_call_seconds=0.04)
    lines = progress_text.summary(replace(done, run_requests=30, run_seconds=2.0))
    assert "  requests  30 in 2.0 s; the ideal under 15/1s, 6000w/60s is 1.1 s; 70 in 4.6 s of earlier runs" in lines


def test_the_summary_of_a_run_without_requests_says_so() -> None:
    done = ended(JobStatus.COMPLETED)
    idle = replace(done, run_requests=0, run_seconds=0.1)
    assert "  requests  none were needed; 50 in 3.4 s of earlier runs" in progress_text.summary(idle)
    assert "  requests  50 in 3.5 s of running" in progress_text.summary(done)


def test_a_run_that_was_cut_short_is_not_set_against_the_ideal() -> None:
    cut_short = replace(ended(JobStatus.PAUSED), run_requests=50, run_seconds=3.5)
    assert "  requests  50 in 3.5 s" in progress_text.summary(cut_short)


def test_a_limit_by_weight_alone_gives_no_ideal_as_the_weights_are_not_known() -> None:
    assert progress_text.ideal_seconds(replace(RUNNING, limits=("6000w/60s",)), 100) is None


def test_the_summary_lists_ten_failed_symbols_and_counts_the_others() -> None:
    failed = {f"S{number}": "SymbolRejected: unknown" for number in range(12)}
    lines = progress_text.summary(replace(ended(JobStatus.COMPLETED, failed=12), failed_symbols=failed))
    listed = [line for line in lines if line.startswith("  failed ")]
    assert listed[0] == "  failed    S0: SymbolRejected: unknown"
    assert listed[10:] == ["  failed    ... and 2 more"]


def test_lines_come_at_most_every_second_and_at_least_every_two_changed_or_not() -> None:
    clock, out = Clock(), io.StringIO()
    display = LineDisplay(out, lambda progress: str(progress.version), clock=clock)
    display.show(replace(RUNNING, version=1))
    clock.now += 0.5
    display.show(replace(RUNNING, version=2))
    assert out.getvalue() == "1\n"
    clock.now += 0.6
    display.show(replace(RUNNING, version=3))
    assert out.getvalue() == "1\n3\n"
    clock.now += 1.5
    display.show(replace(RUNNING, version=3))
    display.tick()
    assert out.getvalue() == "1\n3\n"
    clock.now += 0.4
    display.tick()
    assert out.getvalue() == "1\n3\n3\n"


def test_before_there_is_progress_the_lines_say_that_it_is_starting() -> None:
    clock, out = Clock(), io.StringIO()
    display = LineDisplay(out, progress_text.progress_line, clock=clock)
    clock.now += 2.0
    display.tick()
    assert out.getvalue() == "starting (2.0 s)\n"


def test_the_last_state_is_written_when_the_display_closes() -> None:
    out = io.StringIO()
    with LineDisplay(out, lambda progress: str(progress.status), clock=Clock()) as display:
        display.show(RUNNING)
        display.show(ended(JobStatus.COMPLETED))
    assert out.getvalue() == "RUNNING\nCOMPLETED\n"


def test_what_is_no_terminal_gets_plain_lines_without_any_escape() -> None:
    out = io.StringIO()
    with display_for(out) as display:
        display.show(replace(RUNNING, reason="[bold]"))
    assert out.getvalue() == progress_text.progress_line(RUNNING) + "\n"
    assert "\x1b" not in out.getvalue()


def test_json_lines_are_the_progress_and_nothing_else() -> None:
    out = io.StringIO()
    with display_for(out, as_json=True) as display:
        display.show(RUNNING)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [json.loads(json.dumps(RUNNING.as_json()))]


def test_a_terminal_gets_the_bar_with_everything_on_it() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None, legacy_windows=False)
    with LiveDisplay(console) as display:
        display.show(RUNNING)
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for part in ("binance-1d-0a1b2c3d", "RUNNING", "25%", "50/200 pages", "12 of 100 symbols", "14.2/s of 15/1s"):
        assert part in shown
    assert "ETA 1 m 12 s" in shown
    assert "starting" not in shown


def test_a_job_without_pages_yet_draws_an_empty_bar() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(picture(replace(RUNNING, pages_total=0, pages_done=0)))
    assert "0/0 pages" in console.file.getvalue()  # type: ignore[attr-defined]


def test_the_summary_says_why_bars_were_refused_and_what_the_calendar_does_not_explain() -> None:
    findings = {"volume is negative": 2, "duplicate": 1200, UNEXPECTED: 3, ABSENT: 40}
    lines = progress_text.summary(replace(RUNNING, findings=findings))
    assert [line.strip() for line in lines if line.startswith(("  refused", "  calendar"))] == [
        "refused   1,200 bars: duplicate",
        "refused   2 bars: volume is negative",
        "calendar  40 bars expected by the calendar and not there",
        "calendar  3 bars outside of the calendar's sessions",
    ]


def test_a_wait_for_lost_evidence_is_not_told_as_the_brokers_refusal() -> None:
    torn = replace(RUNNING, evidence_wait_seconds=20.0, evidence_wait_reason="the permit record is torn")
    line = progress_text.progress_line(torn)
    assert line.startswith("RUNNING, nothing is sent for 20.0 s (the permit record is torn) | ")
    both = progress_text.progress_line(replace(torn, cooldown_seconds=66.0, cooldown_reason="HTTP 429"))
    assert "nothing is sent for 1 m 06 s (HTTP 429) and 20.0 s (the permit record is torn)" in both
