"""What the files on disk prove by themselves: whole ones are certified, any harm is found, and told in a sentence."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from actors.service import candle_proof
from actors.use_cases.candle_proof import CandleProof, Scope
from adapters.candle_store.repository import CandleFiles
from domain.candles.candles import Candles
from domain.candles.certificates import Certificate
from domain.candles.dataset import Dataset, Interval
from domain.candles.sessions import DAY_MS
from domain.candles.validation import QuarantinedCandle
from domain.spans.time_span import TimeSpan

HOUR_MS = 3_600_000
DATASET = Dataset("memory", "BTC/USD", Interval("1h"))
START_MS = int(datetime(2023, 12, 1, tzinfo=UTC).timestamp() * 1000)
SPAN = TimeSpan(START_MS, START_MS + 60 * DAY_MS)
"""Over the turn of the year: hourly files are cut there, so there are two."""

SCOPE = Scope(DATASET, SPAN, "24/7")


def hours(first: int, end: int, without: Sequence[int] = ()) -> Candles:
    openings = START_MS + HOUR_MS * np.array([hour for hour in range(first, end) if hour not in without], np.int64)
    price = 100 + np.sin(openings / 1e7)
    extras = {"trades": openings // HOUR_MS, "vwap": price}
    return Candles(openings, price, price + 1, price - 1, price, np.ones(len(openings)), extras)


def span_of(first: int, end: int) -> TimeSpan:
    return TimeSpan(START_MS + first * HOUR_MS, START_MS + end * HOUR_MS)


@pytest.fixture
def files(tmp_path: Path) -> CandleFiles:
    files = CandleFiles(tmp_path)
    files.save(DATASET, SPAN, hours(0, 1440))
    return files


def proof_of(files: CandleFiles) -> CandleProof:
    return candle_proof(files.root, ())


def certificate(files: CandleFiles, scope: Scope = SCOPE) -> Certificate:
    return proof_of(files).certificate(scope)


def segments(files: CandleFiles) -> list[Path]:
    return sorted(files.root.rglob("*.candles"))


def test_whole_files_are_certified_with_what_is_in_them(files: CandleFiles) -> None:
    whole = certificate(files)
    assert (whole.is_proven, whole.problems, whole.bars, whole.quarantined) == (True, (), 1440, 0)
    assert whole.completeness.bars(whole.completeness.expected) == 1440
    assert len(whole.content_hash) == 64


def test_a_folder_needs_no_job_and_no_calendar(files: CandleFiles) -> None:
    proof = proof_of(files)
    (scope,) = proof.scopes_of_everything()
    found = proof.certificate(scope)
    assert (found.is_proven, found.completeness.span, found.completeness.calendar) == (True, SPAN, "none")
    assert found.content_hash == certificate(files).content_hash


def test_the_fingerprint_does_not_depend_on_how_the_bars_came(files: CandleFiles, tmp_path: Path) -> None:
    other = CandleFiles(tmp_path / "other")
    edges = [0, 1, 700, 701, 744, 900, 1440]
    parts = list(pairwise(edges))
    random.Random(1).shuffle(parts)
    for first, end in parts:
        other.save(DATASET, span_of(first, end), hours(first, end))
    other.save(DATASET, span_of(5, 6), hours(5, 6), as_of_ms=START_MS)
    assert certificate(other).content_hash == certificate(files).content_hash


def test_another_bar_gives_another_fingerprint(files: CandleFiles) -> None:
    before = certificate(files).content_hash
    changed = hours(700, 701).columns()
    changed["volume"] = np.array([math.nextafter(1.0, 2.0)])
    files.save(DATASET, span_of(700, 701), Candles.from_columns(changed))
    after = certificate(files)
    assert after.is_proven
    assert after.content_hash != before


@pytest.mark.parametrize("number", range(2))
def test_no_flipped_bit_goes_unnoticed(files: CandleFiles, number: int) -> None:
    path = segments(files)[number]
    whole = path.read_bytes()
    source = random.Random(number)
    for position in [0, 9, len(whole) - 1, *(source.randrange(len(whole)) for _ in range(40))]:
        flipped = bytearray(whole)
        flipped[position] ^= 1 << source.randrange(8)
        path.write_bytes(flipped)
        found = certificate(files)
        assert not found.is_proven
        assert (found.bars, found.content_hash) == (0, "")
        assert str(path) in found.problems[0]
    path.write_bytes(whole)
    assert certificate(files).is_proven


def test_a_file_that_is_gone_or_empty_is_noticed(files: CandleFiles) -> None:
    first, second = segments(files)
    second.rename(second.with_suffix(".away"))
    gone = certificate(files)
    assert not gone.is_proven
    assert "696 bars never answered" in gone.problems[0]
    second.with_suffix(".away").rename(second)
    first.write_bytes(b"")
    assert not certificate(files).is_proven


def test_a_file_of_another_symbol_in_its_place_is_noticed(files: CandleFiles, tmp_path: Path) -> None:
    stranger = CandleFiles(tmp_path / "stranger")
    stranger.save(Dataset("memory", "ETH/USD", Interval("1h")), SPAN, hours(0, 1440))
    segments(files)[0].write_bytes(segments(stranger)[0].read_bytes())
    assert not certificate(files).is_proven


def test_a_hole_that_was_never_asked_is_no_proof_and_a_gap_is_an_answer(tmp_path: Path) -> None:
    files = CandleFiles(tmp_path)
    files.save(DATASET, span_of(0, 700), hours(0, 700, without=[10, 11]))
    files.save(DATASET, span_of(710, 1440), hours(710, 1440))
    found = certificate(files)
    assert not found.is_proven
    assert found.problems == (f"{span_of(700, 710)}: 10 bars never answered",)
    assert found.completeness.gaps == (span_of(10, 12),)
    files.save(DATASET, span_of(700, 710), Candles.empty())
    assert certificate(files).is_proven


def test_stored_bars_that_break_a_rule_are_no_proof(tmp_path: Path) -> None:
    files = CandleFiles(tmp_path)
    columns = hours(0, 1440).columns()
    columns["low"] = columns["low"].copy()
    columns["low"][[3, 4]] = 500.0
    files.save(DATASET, SPAN, Candles.from_columns(columns))
    assert certificate(files).problems == ("2 stored bars break a rule: low is above open or close",)


def test_bars_that_may_still_change_are_no_proof_once_they_are_due(tmp_path: Path) -> None:
    files = CandleFiles(tmp_path)
    files.save(DATASET, SPAN, hours(0, 1440), provisional_from_ms=SPAN.end_ms - 5 * HOUR_MS)
    found = certificate(files)
    assert found.problems == (f"{span_of(1435, 1440)}: 5 bars due to be asked again",)
    patient = Scope(DATASET, SPAN, "24/7", settle_seconds=100 * 365 * 86_400)
    assert certificate(files, patient).is_proven
    (scope,) = proof_of(files).scopes_of_everything()
    assert certificate(files, scope).is_proven


def test_refused_bars_are_counted_on_the_certificate(files: CandleFiles) -> None:
    files.quarantine(DATASET, [QuarantinedCandle(START_MS, "volume is negative", (("volume", -1.0),))])
    assert certificate(files).quarantined == 1


def test_a_list_of_refused_bars_that_cannot_be_read_speaks_against_its_own_dataset_alone(files: CandleFiles) -> None:
    files.quarantine(DATASET, [QuarantinedCandle(START_MS, "volume is negative", (("volume", -1.0),))])
    listed = next(files.root.rglob("quarantine.jsonl"))
    listed.write_bytes(b"{\n")
    found = certificate(files)
    assert (found.problems, found.bars) == ((f"{listed}: line 1 is no refused candle",), 1440)


def test_the_list_of_gaps_names_a_file_whose_header_is_damaged_and_what_went_with_it(files: CandleFiles) -> None:
    first = segments(files)[0]
    first.write_bytes(b"\x00" + first.read_bytes()[1:])
    one = proof_of(files).completeness(SCOPE)
    assert [damage.path for damage in one.damaged] == [str(first)]
    assert one.missing == (span_of(0, 744),)
    (scope,) = proof_of(files).scopes_of_everything("24/7")
    assert proof_of(files).completeness(scope).damaged == one.damaged
