"""The tables of the command line: none is wider than a terminal, and nothing is said in every row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from actors.cli.main import commands
from actors.cli.support import App
from actors.cli.text.proof import certificate_json, certificate_lines, gap_lines, refused_lines
from actors.cli.text.tables import WIDTH, folded, shortened, table_lines
from domain.candles.certificates import Certificate
from domain.candles.completeness import Completeness
from domain.candles.dataset import Dataset, Interval
from domain.candles.ports import DamagedSegment
from domain.candles.validation import QuarantinedCandle
from domain.jobs.status import JobStatus
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan
from tests.unit.cli.cli_fakes import FakeService, ended

DAY_MS = 86_400_000
YEAR = TimeSpan(19_723 * DAY_MS, 20_089 * DAY_MS)
HASH = "0123456789abcdef" * 4


def completeness(symbol: str = "1000SHIBUSDT", span: TimeSpan = YEAR, interval: str = "1m") -> Completeness:
    dataset = Dataset("binance", symbol, Interval(interval))
    everything = SpanSet([span])
    return Completeness(dataset, span, "24/7", everything, stored=everything, missing=everything)


def certificate(one: Completeness) -> Certificate:
    return Certificate(one, 527_040, 0, HASH)


def widest(lines: list[str]) -> int:
    return max(map(len, lines))


def test_what_all_certificates_share_is_told_once_above_them_and_hashes_are_short() -> None:
    certificates = [certificate(completeness(symbol)) for symbol in ("1000SHIBUSDT", "BTCUSDT")]
    assert certificate_lines(certificates) == [
        "binance 1m raw, 2024-01-01 to 2025-01-01, calendar 24/7, gaps 0, refused 0",
        "PROVEN  SYMBOL        BARS     EXPECTED  CONTENT",
        "yes     1000SHIBUSDT  527,040  527,040   0123456789ab",
        "yes     BTCUSDT       527,040  527,040   0123456789ab",
    ]
    assert certificate_json(certificates[0])["content_hash"] == HASH


def test_what_certificates_do_not_share_is_a_column_and_still_fits() -> None:
    begun_later = TimeSpan(YEAR.start_ms + 34_200_000, YEAR.end_ms + 34_260_000)
    lines = certificate_lines([certificate(completeness()), certificate(completeness("BTCUSDT", begun_later))])
    assert lines[0] == "binance 1m raw, calendar 24/7, gaps 0, refused 0"
    assert "  2024-01-01 09:30Z to 2025-01-01 09:31Z  " in lines[3]
    assert widest(lines) <= WIDTH


def test_gaps_tell_what_their_words_mean_once_and_damage_apart() -> None:
    damage = DamagedSegment("/data/x.candles", "its checksum does not match", YEAR)
    lines = gap_lines([completeness(), replace(completeness("BTCUSDT"), damaged=(damage,))], show_all=False)
    assert lines[-2:] == ["missing: never answered", "damaged: /data/x.candles: its checksum does not match"]
    assert widest(lines) <= WIDTH


def test_the_values_of_a_refused_bar_stand_below_it() -> None:
    columns = tuple((f"column_{number}", 12_345.678_901_234) for number in range(9))
    bar = QuarantinedCandle(YEAR.start_ms, "high is below the larger of open and close", columns)
    lines = list(refused_lines([(completeness().dataset, bar)]))
    assert lines[2].startswith("  column_0=12345.678901234 column_1=")
    assert widest(lines) <= WIDTH


def test_jobs_cut_a_long_reason_where_status_tells_all_of_it(tmp_path: Path) -> None:
    reason = "storage_unavailable: /data/candles/binance/BTCUSDT/1m/raw cannot be used: No space left on device"
    service = FakeService(stored=ended(JobStatus.PAUSED, reason=reason))
    path = tmp_path / "candles.toml"
    path.write_text('[storage]\nroot = "data"\n')
    app = App(service.opened, program="candles")  # type: ignore[arg-type]
    lines, whole = (
        CliRunner().invoke(commands, [*words, "--settings", str(path)], obj=app).stdout.splitlines()
        for words in (["jobs"], ["status", service.stored.job_id])
    )
    assert "  PAUSED (storage_unav" in lines[1]
    assert widest(lines) == WIDTH
    assert reason in whole[0]


@pytest.mark.parametrize("text", ["", "short", "exactly 16 chars"])
def test_what_fits_is_left_as_it_is(text: str) -> None:
    assert shortened(text, 16) == text


def test_a_longer_text_ends_in_dots() -> None:
    assert shortened("seventeen letters", 16) == "seventeen let..."


def test_an_elastic_column_keeps_some_room_beside_very_wide_ones() -> None:
    assert table_lines(("A", "B"), [("x" * 30, "y" * 120)], elastic="A")[1].startswith("xxxxxxxxxxxxx...  yyy")


def test_only_columns_with_words_for_it_are_folded() -> None:
    line, heads, rows = folded(("A", "B", "C"), [("1", "2", "3"), ("1", "2", "4")], {"B": "b is {}", "C": "c is {}"})
    assert (line, heads, rows) == ("b is 2", ["A", "C"], [["1", "3"], ["1", "4"]])
