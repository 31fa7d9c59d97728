"""QuarantineFile: refused candles as JSON lines, for a person to look at."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

from adapters.files.atomic import storage_errors, sync_folder
from domain.candles.validation import QuarantinedCandle
from domain.errors import CorruptSegment

FILE_NAME = "quarantine.jsonl"


class QuarantineFile:
    """One dataset's `quarantine.jsonl`: a line per refused bar, with NaN and infinities as strings.

    Whoever adds holds the folder's lock. A last line torn by a crash is dropped: its page was not
    saved either, and comes again.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME

    def add(self, bad: Sequence[QuarantinedCandle]) -> None:
        """Append what is not there yet, bar and reason, durably."""
        with storage_errors(self._path):
            whole = self._whole_lines()
            known = set(whole.splitlines(keepends=True))
            fresh = dict.fromkeys(line for line in map(_line, bad) if line not in known)
            if not fresh:
                return
            with self._path.open("ab") as file:
                file.truncate(len(whole))
                file.write(b"".join(fresh))
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._path.parent)

    def read(self) -> list[QuarantinedCandle]:
        """Every refused bar, in the order they came."""
        with storage_errors(self._path):
            lines = self._whole_lines().splitlines()
        return [self._parse(line, number) for number, line in enumerate(lines, start=1)]

    def _whole_lines(self) -> bytes:
        content = self._path.read_bytes() if self._path.exists() else b""
        return content[: content.rfind(b"\n") + 1]

    def _parse(self, line: bytes, number: int) -> QuarantinedCandle:
        try:
            fields = json.loads(line)
            columns = tuple((name, _number(value)) for name, value in fields["columns"].items())
            return QuarantinedCandle(fields["open_time_ms"], fields["reason"], columns)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CorruptSegment(str(self._path), f"line {number} is no refused candle") from error


def _line(candle: QuarantinedCandle) -> bytes:
    columns = {name: _plain(value) for name, value in candle.columns}
    fields = {"open_time_ms": candle.open_time_ms, "reason": candle.reason, "columns": columns}
    return json.dumps(fields, allow_nan=False).encode() + b"\n"


def _plain(value: float | int) -> float | int | str:
    is_special = isinstance(value, float) and (value != value or abs(value) == float("inf"))
    return str(value) if is_special else value


def _number(value: float | int | str) -> float | int:
    return float(value) if isinstance(value, str) else value
