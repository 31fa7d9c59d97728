"""What a header tells is checked, and bounded by what its period can hold, before anything of its size is made."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import pytest

from adapters.candle_store.format.header import CALENDAR_GRID_VERSION, read_front
from adapters.candle_store.format.segment import Segment, encode
from domain.errors import CorruptSegment
from tests.contract.test_segment_format import golden_days_of_new_york, golden_segment_with_states
from tests.segment_examples import ANCHOR_MS, MINUTE_MS, decode
from tests.unit.candle_store.test_segment_format_laws import SMALL, body_of, flipped, forge

FIFTH_MS, TENTH_MS = ANCHOR_MS + 4 * MINUTE_MS, ANCHOR_MS + 9 * MINUTE_MS


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"asked": [ANCHOR_MS, 50_000]}, "more rows than a candle file may have"),
        ({"replaced": 3001}, "more rows than a candle file may have"),
        ({"denied": [ANCHOR_MS, 2]}, "what its bars and answers deny"),
        ({"refused": [TENTH_MS, 2]}, "what its bars and answers deny"),
        ({"doubtful": [FIFTH_MS, 2]}, "what its bars and answers deny"),
        ({"doubtful": [TENTH_MS, 2], "unlisted": [TENTH_MS, 1]}, "two states at once"),
        ({"listings": [["me", 1, 2]]}, "its header cannot be read"),
        ({"listings": [["me", "now", 2, 3]]}, "its header cannot be read"),
        ({"sources": [["rest", [FIFTH_MS, 1]]]}, "the source of bars that it does not have"),
        ({"sources": {"rest": 1}}, "its header cannot be read"),
    ],
)
def test_a_forged_state_is_refused_before_anything_of_its_size_is_made(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(CorruptSegment, match=reason):
        decode(forge(body_of(SMALL), header=changed), "memory")


DAY_MS = 86_400_000
IDENTITY = ["memory", "A", "1d", "raw", "1d@America/New_York"]
HOURS = ["memory", "A", "4h", "raw", "4h@America/New_York"]
NOTHING = {"dataset": IDENTITY, "grid": [], "asked": [], "provisional": [], "runs": [], "rows": 0, "replaced": 0}
SOME_DAYS = {"grid": [0, 90_000_000, 2, DAY_MS, 3], "asked": [0, 5]}


def forge_calendar(changed: Mapping[str, Any]) -> bytes:
    """A file of version 3 that was never written."""
    return forge({}, version=CALENDAR_GRID_VERSION, header={**NOTHING, **changed})


@pytest.mark.parametrize("changed", [{}, SOME_DAYS])
def test_a_forged_calendar_in_order_is_read(changed: dict[str, Any]) -> None:
    data = forge_calendar(changed)
    assert read_front(io.BytesIO(data), len(data), "memory").asked_bars == (5 if changed else 0)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"grid": [0, DAY_MS, 2**40]}, "its grid has more bars than a candle file may have"),
        ({"grid": [0, DAY_MS, 2**63]}, "its grid has more bars than a candle file may have"),
        ({"dataset": HOURS, "grid": [0, 3_600_000, 9_000]}, "its grid has more bars than a candle file may have"),
        ({"grid": [0, 2**63, 2]}, "its grid is in no year that there is"),
        ({"grid": [-(2**63), DAY_MS, 2]}, "its grid is in no year that there is"),
        ({"grid": [0, -1, 2]}, "its grid is not in order"),
        ({"grid": [0, DAY_MS, 0]}, "its grid is not in order"),
        ({"grid": [0, DAY_MS]}, "its grid is not in order"),
        ({"grid": [0]}, "its grid is not in order"),
        ({"grid": "days"}, "its header cannot be read"),
        ({**SOME_DAYS, "asked": [1, 2]}, "does not begin and end on the grid"),
        ({**SOME_DAYS, "asked": [0, 6]}, "beyond its grid"),
        ({**SOME_DAYS, "asked": [0, 2**63]}, "beyond its grid"),
        ({**SOME_DAYS, "asked": [2**63, 1]}, "off the grid"),
        ({**SOME_DAYS, "asked": [90_000_000 - 1, 1]}, "does not begin and end on the grid"),
        ({"dataset": [*IDENTITY[:4], 7]}, "its grid has no name"),
        ({"dataset": [*IDENTITY[:4], "1d"]}, "no name of a calendar grid"),
        ({"dataset": [*IDENTITY[:2], "1M", "raw", 0]}, "its grid has no name"),
    ],
)
def test_a_forged_calendar_is_refused_before_anything_of_its_size_is_made(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(CorruptSegment, match=reason):
        decode(forge_calendar(changed), "memory")


def test_a_calendar_file_without_its_grid_is_refused() -> None:
    with pytest.raises(CorruptSegment, match="its header cannot be read"):
        decode(forge(body_of(SMALL), version=CALENDAR_GRID_VERSION), "memory")


@pytest.mark.parametrize("segment", [golden_days_of_new_york(), golden_segment_with_states()])
def test_every_flipped_bit_of_a_calendar_and_of_states_is_noticed(segment: Segment) -> None:
    data = encode(segment)
    for position in range(0, len(data) * 8, 7):
        with pytest.raises(CorruptSegment, match="memory"):
            decode(flipped(data, position), "memory")
