"""What only files on a disk have to stand: other processes, kills, full disks, damage, odd names."""

from __future__ import annotations

import hashlib
import os
import pickle
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from adapters.candle_store.layout import dataset_of, folder_of, period_of, split
from adapters.candle_store.repository import CandleFiles
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.candles.history import SaveResult
from domain.candles.validation import QuarantinedCandle
from domain.errors import CorruptSegment, StorageUnavailable
from domain.spans.span_set import SpanSet
from domain.spans.time_span import TimeSpan

TREE = Path(__file__).resolve().parents[2]
MINUTE_MS = 60_000
MARCH_MS = 1_709_251_200_000  # 2024-03-01
DATASET = Dataset("memory", "A", Interval("1m"))
SPAN = TimeSpan(MARCH_MS, MARCH_MS + 100 * MINUTE_MS)

# What the child processes below begin with.
PRELUDE = """
import os, resource, signal, sys
import numpy as np
from adapters.candle_store.repository import CandleFiles
from domain.candles.candles import Candles
from domain.candles.dataset import Dataset, Interval
from domain.spans.time_span import TimeSpan
MINUTE_MS, MARCH_MS = 60_000, 1_709_251_200_000
dataset, files = Dataset("memory", "A", Interval("1m")), CandleFiles(sys.argv[1])
def save(first, last):
    times = MARCH_MS + np.arange(first, last) * MINUTE_MS
    values = np.random.default_rng(abs(first)).random(len(times))
    span = TimeSpan(MARCH_MS + first * MINUTE_MS, MARCH_MS + last * MINUTE_MS)
    files.save(dataset, span, Candles(times, values, values, values, values, values))
"""


def start(code: str, root: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PRELUDE + code, str(root)]
    return subprocess.Popen(command, cwd=TREE, stdout=subprocess.PIPE, text=True)


def run(code: str, root: Path) -> tuple[int, str]:
    with start(code, root) as process:
        output, _ = process.communicate(timeout=60)
        return process.returncode, output


def candles(minutes: range, value: float = 1.0) -> Candles:
    times = MARCH_MS + np.array(minutes, np.int64) * MINUTE_MS
    column = np.full(len(times), value)
    return Candles(times, column, column, column, column, column)


def segment(files: CandleFiles, dataset: Dataset = DATASET, period: str = "2024-03") -> Path:
    return folder_of(files.root, dataset) / f"{period}.candles"


@pytest.fixture
def files(tmp_path: Path) -> CandleFiles:
    files = CandleFiles(tmp_path / "candles")
    files.save(DATASET, SPAN, candles(range(100)))
    return files


def listed(files: CandleFiles) -> list[str]:
    return sorted(path.name for path in folder_of(files.root, DATASET).iterdir())


def test_two_processes_that_save_into_one_file_lose_nothing(tmp_path: Path) -> None:
    code = "for page in range({0}, 40, 2): save(page * 10, page * 10 + 10)"
    with start(code.format(0), tmp_path) as even, start(code.format(1), tmp_path) as odd:
        assert (even.wait(60), odd.wait(60)) == (0, 0)
    span = TimeSpan(MARCH_MS, MARCH_MS + 400 * MINUTE_MS)
    assert CandleFiles(tmp_path).coverage(DATASET, span).stored == (span,)
    assert len(CandleFiles(tmp_path).read(DATASET, span)) == 400


def test_a_kill_before_the_replacement_leaves_the_old_content_and_the_next_write_sweeps(files: CandleFiles) -> None:
    before = segment(files).read_bytes()
    killed, _ = run(
        "from pathlib import Path\nPath.replace = lambda *_: os.kill(os.getpid(), 9)\nsave(0, 200)", files.root
    )
    assert killed == -signal.SIGKILL
    assert segment(files).read_bytes() == before
    assert "2024-03.candles.tmp" in listed(files)
    assert files.save(DATASET, SPAN, candles(range(100), value=2.0)) == SaveResult(0, 100)
    assert listed(files) == [".lock", "2024-03.candles"]


KILLED_AT_A_STEP = """
from pathlib import Path
steps = 0
def counting(act):
    def step(*arguments):
        global steps
        if steps == {0}:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1
        return act(*arguments)
    return step
os.fsync, Path.replace = counting(os.fsync), counting(Path.replace)
save(-50, 50)
print(steps)
"""


def test_a_kill_at_any_step_of_a_save_leaves_each_file_as_before_or_as_after_with_its_coverage(
    tmp_path: Path,
) -> None:
    """Each of the two months is synced, put in place and its folder synced: six steps."""
    february, march = (TimeSpan(MARCH_MS + first * MINUTE_MS, MARCH_MS + last * MINUTE_MS) for first, last in HALVES)
    seen = set()
    for step in range(7):
        files = CandleFiles(tmp_path / str(step))
        files.save(DATASET, march, candles(range(25)), as_of_ms=1)
        returned, said = run(KILLED_AT_A_STEP.format(step), files.root)
        assert (returned, said.strip()) == ((0, "6") if step == 6 else (-signal.SIGKILL, ""))
        halves = [len(files.read(DATASET, half)) for half in (february, march)]
        missing = files.coverage(DATASET, TimeSpan(february.start_ms, march.end_ms)).missing
        assert missing == (() if halves[0] else (february,))
        assert len(files.revisions(DATASET, march)) == (25 if halves[1] == 50 else 0)
        seen.add(tuple(halves))
        assert run("save(-50, 50)", files.root)[0] == 0
        assert [len(files.read(DATASET, half)) for half in (february, march)] == [50, 50]
        assert [name for name in listed(files) if name.endswith(".tmp")] == []
    assert seen == {(0, 25), (50, 25), (50, 50)}


HALVES = ((-50, 0), (0, 50))


def test_a_full_disk_leaves_the_old_content_and_nothing_half_written(files: CandleFiles) -> None:
    before = segment(files).read_bytes()
    code = """
from domain.errors import StorageUnavailable
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
try:
    save(0, 5000)
except StorageUnavailable as error:
    print(error)
"""
    returned, said = run(code, files.root)
    assert (returned, said.strip()) == (0, f"{segment(files)} cannot be used: File too large")
    assert segment(files).read_bytes() == before
    assert listed(files) == [".lock", "2024-03.candles"]


def test_saving_what_is_there_already_does_not_touch_the_file(files: CandleFiles) -> None:
    inode = segment(files).stat().st_ino
    assert files.save(DATASET, SPAN, candles(range(100))) == SaveResult(0, 0)
    assert segment(files).stat().st_ino == inode
    files.save(DATASET, SPAN, candles(range(1), value=2.0))
    assert segment(files).stat().st_ino != inode


def test_a_save_over_a_month_end_writes_both_months_each_with_its_part(files: CandleFiles) -> None:
    span = TimeSpan(MARCH_MS - 5 * MINUTE_MS, MARCH_MS + 5 * MINUTE_MS)
    assert files.save(DATASET, span, candles(range(-5, 5), value=2.0)) == SaveResult(5, 5)
    assert listed(files) == [".lock", "2024-02.candles", "2024-03.candles"]
    segment(files).unlink()
    assert files.coverage(DATASET, span).missing == (TimeSpan(MARCH_MS, span.end_ms),)


def test_a_damaged_file_is_named_by_whoever_reads_or_saves(files: CandleFiles) -> None:
    damaged = bytearray(segment(files).read_bytes())
    damaged[-20] ^= 1
    segment(files).write_bytes(damaged)
    for touch in (lambda: files.read(DATASET, SPAN), lambda: files.save(DATASET, SPAN, candles(range(1), 3.0))):
        with pytest.raises(CorruptSegment, match=r"2024-03\.candles: its checksum"):
            touch()
    assert segment(files).read_bytes() == damaged


def test_the_error_says_what_is_lost_and_the_command_that_repairs_it(files: CandleFiles) -> None:
    damage(segment(files), -20)
    with pytest.raises(CorruptSegment) as raised:
        files.read(DATASET, SPAN)
    lost = "the candles of A in [2024-03-01T00:00:00Z, 2024-03-01T01:40:00Z) cannot be read"
    assert lost in str(raised.value)
    assert "`candles gaps A --repair`" in str(raised.value)


def test_a_damaged_file_is_set_aside_and_its_span_is_missing_again(files: CandleFiles) -> None:
    april = TimeSpan(MARCH_MS + 31 * 1440 * MINUTE_MS, MARCH_MS + (31 * 1440 + 5) * MINUTE_MS)
    files.save(DATASET, april, Candles.empty())
    damage(segment(files), -20)
    damaged = segment(files).read_bytes()
    found = files.damaged(DATASET)
    assert [(one.path, one.lost) for one in found] == [(str(segment(files)), SPAN)]
    assert files.set_aside(DATASET) == found
    assert listed(files) == [".lock", "2024-03.candles.corrupt", "2024-04.candles"]
    assert files.coverage(DATASET, SPAN).missing == (SPAN,)
    assert files.coverage(DATASET, april).is_complete
    assert files.save(DATASET, SPAN, candles(range(100))) == SaveResult(100, 0)
    damage(segment(files), 3)
    assert files.set_aside(DATASET)[0].lost == TimeSpan(MARCH_MS, april.start_ms)
    assert listed(files) == [".lock", "2024-03.candles.corrupt", "2024-03.candles.corrupt1", "2024-04.candles"]
    assert (segment(files).parent / "2024-03.candles.corrupt").read_bytes() == damaged


def test_damage_in_a_file_of_all_times_can_be_told(files: CandleFiles) -> None:
    daily = Dataset("memory", "A", Interval("1d"))
    files.save(daily, TimeSpan(0, 10 * 1440 * MINUTE_MS), Candles.empty())
    damage(segment(files, daily, "all"), 3)
    with pytest.raises(CorruptSegment, match="all of its history"):
        files.coverage(daily, SPAN)


def test_a_file_in_a_newer_format_is_neither_damaged_nor_set_aside(files: CandleFiles) -> None:
    content = bytearray(segment(files).read_bytes()[:-16])
    content[8] = 99
    segment(files).write_bytes(content + hashlib.blake2b(content, digest_size=16).digest())
    for touch in (files.set_aside, lambda dataset: files.coverage(dataset, SPAN)):
        with pytest.raises(StorageUnavailable, match="format version 99"):
            touch(DATASET)
    assert segment(files).exists()


def damage(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def test_every_left_over_of_killed_writers_is_swept_by_the_next_save(files: CandleFiles) -> None:
    for name in ("2023-01.candles.tmp", "2024-03.candles.tmp"):
        (segment(files).parent / name).write_text("half")
    files.save(DATASET, SPAN, candles(range(100), value=2.0))
    assert listed(files) == [".lock", "2024-03.candles"]


CLAIM = """
claim = files.collecting(dataset)
print(claim.try_take(), flush=True)
sys.stdin.readline()
"""


def test_a_claim_holds_against_other_processes_and_ends_with_a_kill(files: CandleFiles) -> None:
    command = [sys.executable, "-c", PRELUDE + CLAIM, str(files.root)]
    with (
        subprocess.Popen(command, cwd=TREE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other,
        files.collecting(DATASET) as claim,
    ):
        assert other.stdout is not None
        assert other.stdout.readline() == "True\n"
        assert not claim.try_take()
        other.kill()
        other.wait(60)
        assert claim.try_take()


def test_a_claim_taken_in_one_thread_is_let_go_in_another(files: CandleFiles) -> None:
    with ThreadPoolExecutor(1) as thread, files.collecting(DATASET) as claim:
        assert thread.submit(claim.try_take).result()
    with files.collecting(DATASET) as other:
        assert other.try_take()


def test_a_claim_that_comes_after_its_end_is_not_kept(files: CandleFiles) -> None:
    with files.collecting(DATASET) as late:
        pass
    assert not late.try_take()
    with files.collecting(DATASET) as other:
        assert other.try_take()


def test_coverage_notices_a_damaged_header_and_a_file_cut_short(files: CandleFiles) -> None:
    whole = segment(files).read_bytes()
    segment(files).write_bytes(whole[:-1])
    with pytest.raises(CorruptSegment, match="bytes where"):
        files.coverage(DATASET, SPAN)
    segment(files).write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
    with pytest.raises(CorruptSegment, match="header"):
        files.coverage(DATASET, SPAN)


def test_a_file_of_another_dataset_is_not_taken_for_ours(files: CandleFiles) -> None:
    other = Dataset("memory", "B", Interval("1m"))
    segment(files, other).parent.mkdir()
    segment(files, other).write_bytes(segment(files).read_bytes())
    for touch in (files.read, files.coverage):
        with pytest.raises(CorruptSegment, match="belongs elsewhere"):
            touch(other, SPAN)


def test_a_file_under_the_name_of_another_period_is_not_taken_for_its_answers(files: CandleFiles) -> None:
    march = segment(files)
    april = march.with_name("2024-04.candles")
    april.write_bytes(march.read_bytes())
    both = TimeSpan(MARCH_MS, MARCH_MS + 60 * 86_400_000)
    for touch in (files.read, files.coverage):
        with pytest.raises(CorruptSegment, match="a file of another name"):
            touch(DATASET, both)
    (damage,) = files.set_aside(DATASET)
    assert (damage.path, damage.lost) == (str(april), period_of(april))
    assert files.coverage(DATASET, both).stored == (SPAN,)


def test_a_root_that_is_no_folder_is_said_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    files = CandleFiles(tmp_path / "file")
    with pytest.raises(StorageUnavailable, match="cannot be used"):
        files.save(DATASET, SPAN, candles(range(100)))


def test_a_writer_that_never_lets_go_is_given_up(files: CandleFiles) -> None:
    impatient = CandleFiles(files.root, lock_timeout_seconds=0.0)
    with FileLock(segment(files).parent / ".lock"), pytest.raises(StorageUnavailable, match="another writer"):
        impatient.save(DATASET, SPAN, candles(range(100), value=2.0))


def test_a_folder_that_is_no_datasets_is_named(files: CandleFiles) -> None:
    stranger = files.root / "a" / "not an interval" / "b" / "c"
    stranger.mkdir(parents=True)
    (stranger / "all.candles").touch()
    with pytest.raises(CorruptSegment, match="no dataset's folder"):
        files.datasets()


def test_files_that_are_not_ours_are_left_alone(files: CandleFiles) -> None:
    for name in ("2024-13.candles", "notes.candles", "2024-03.candles.old"):
        (segment(files).parent / name).write_text("mine")
    assert files.coverage(DATASET, SPAN).is_complete
    assert len(files.read(DATASET, SPAN)) == 100


def test_the_repository_survives_pickling(files: CandleFiles) -> None:
    assert pickle.loads(pickle.dumps(files)).coverage(DATASET, SPAN).is_complete


def test_a_line_of_the_quarantine_torn_by_a_crash_is_replaced(files: CandleFiles) -> None:
    first, second = (QuarantinedCandle(time, "volume is negative", (("volume", -1.0),)) for time in (1, 2))
    files.quarantine(DATASET, [first, second])
    path = segment(files).parent / "quarantine.jsonl"
    os.truncate(path, path.stat().st_size - 5)
    assert files.quarantined(DATASET) == [first]
    files.quarantine(DATASET, [second])
    assert files.quarantined(DATASET) == [first, second]


def test_a_quarantine_line_that_is_no_candle_is_named(files: CandleFiles) -> None:
    (segment(files).parent / "quarantine.jsonl").write_text('{"open_time_ms": 1}\n')
    with pytest.raises(CorruptSegment, match=r"quarantine\.jsonl: line 1"):
        files.quarantined(DATASET)


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20) | st.sampled_from([".", "..", "BRK/B", "^GSPC"])
intervals = st.sampled_from(["1s", "1m", "5m", "15m", "1h", "4h", "1d", "1w"]).map(Interval)


@given(names, names, intervals, names, st.integers(-(10**12), 10**12))
def test_every_dataset_has_a_folder_of_its_own_from_which_it_can_be_told(
    broker: str, symbol: str, interval: Interval, variant: str, anchor_ms: int
) -> None:
    root = Path("/root")
    dataset = Dataset.fixed(broker, symbol, interval, variant, anchor_ms)
    folder = folder_of(root, dataset)
    assert dataset_of(root, folder) == dataset
    assert len(folder.parts) == len(root.parts) + 4
    assert not any(part.startswith(".") for part in folder.parts[2:])


def test_a_symbol_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="need a name"):
        folder_of(Path("/root"), Dataset("memory", "", Interval("1m")))


@given(intervals, st.integers(-(10**8), 10**8), st.integers(0, 10**11), st.integers(0, 400))
def test_a_span_is_split_at_period_ends_without_losing_an_opening(
    interval: Interval, anchor_ms: int, start_ms: int, bars: int
) -> None:
    dataset = Dataset.fixed("memory", "A", interval, anchor_ms=anchor_ms)
    span = TimeSpan(start_ms, start_ms + bars * interval.duration_ms)
    parts = list(split(dataset, span))
    assert SpanSet(part for _, part in parts) == SpanSet([dataset.align(span)])
    assert len({name for name, _ in parts}) == len(parts)
    for name, part in parts:
        period = period_of(Path(name))
        assert period is not None
        assert dataset.align(period).covers(part)


@pytest.mark.parametrize(
    ("interval", "name"),
    [("1s", "2024-03-01"), ("1m", "2024-03"), ("5m", "2024-03"), ("15m", "2024"), ("1h", "2024"), ("1d", "all")],
)
def test_the_interval_decides_how_long_a_file_is(interval: str, name: str) -> None:
    dataset = Dataset("memory", "A", Interval(interval))
    assert next(split(dataset, TimeSpan(MARCH_MS, MARCH_MS + 10**8)))[0] == f"{name}.candles"
