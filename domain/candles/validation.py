"""Validation: which candles are accepted, which are quarantined, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.candles.candles import Candles, RawCandles
from domain.candles.dataset import Dataset
from domain.spans.grid import FixedGrid
from domain.spans.time_span import TimeSpan

DUPLICATE = "duplicate"
CONFLICTING_DUPLICATE = "conflicting duplicate"
RULES = (
    "opens outside the span asked for",
    "opens off the grid",
    "a price is not a finite number",
    "a price is not positive",
    "volume is not a finite number",
    "volume is negative",
    "low is above open or close",
    "high is below open or close",
)
"""What a bar by itself may break; the first that is broken is the reason."""

_REASONS = ("", *RULES, DUPLICATE, CONFLICTING_DUPLICATE)

Mask = NDArray[np.bool_]
Codes = NDArray[np.uint8]
"""Positions in `_REASONS`, one for each bar."""


@dataclass(frozen=True, slots=True)
class QuarantinedCandle:
    """A refused bar as the broker sent it, and the reason."""

    open_time_ms: int
    reason: str
    columns: tuple[tuple[str, float | int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class ValidatedCandles:
    """A page after judgement.

    `answered` is the part of the span whose bars are all final; save the candles as the answer to it.
    It includes the openings of quarantined bars: they were answered, and requesting them again would only
    bring the same bad bar. That holds only for pages worth saving: of a page that
    `is_mostly_bad` nothing may be saved. `forming` counts bars dropped because they had not closed by
    `closed_before_ms`.
    """

    candles: Candles
    quarantined: tuple[QuarantinedCandle, ...]
    forming: int
    answered: TimeSpan
    closed_before_ms: int

    @property
    def is_mostly_bad(self) -> bool:
        """Whether more than half of the closed bars were refused: the page then says nothing reliable."""
        return len(self.quarantined) > len(self.candles)

    @property
    def reasons(self) -> Counter[str]:
        """How many bars were refused for which reason."""
        return Counter(refused.reason for refused in self.quarantined)

    @property
    def openings(self) -> NDArray[np.int64]:
        """The sorted openings inside `answered` for which a bar came, accepted or refused."""
        came = np.array([refused.open_time_ms for refused in self.quarantined], np.int64)
        inside = came[(came >= self.answered.start_ms) & (came < self.answered.end_ms)]
        return np.union1d(self.candles.open_time_ms, inside) if len(inside) else self.candles.open_time_ms


def validate(
    raw: RawCandles, dataset: Dataset, span: TimeSpan, closed_before_ms: int, may_be_negative: bool = False
) -> ValidatedCandles:
    """Judge what a broker answered for `span`; the result's candles all lie in its `answered` part.

    A bar that had not closed by `closed_before_ms` is dropped, not refused. Of bars that are the same
    in every bit one is kept; bars that contradict each other about one opening are all refused.
    `may_be_negative`: whether prices may be 0 and less, as those of spreads and of power are at times.
    """
    answered = _final_part(dataset, span, closed_before_ms)
    if _is_clean(raw, dataset, answered, may_be_negative):
        return ValidatedCandles(Candles.from_columns(raw.columns()), (), 0, answered, closed_before_ms)
    forming = _forming(raw, dataset, span, closed_before_ms)
    codes = _broken_rules(raw, dataset, span, may_be_negative)
    codes[forming] = 0
    _refuse_repeated(raw, codes, np.flatnonzero(~forming & (codes == 0)))
    accepted = np.flatnonzero(~forming & (codes == 0))
    in_order = accepted[np.argsort(raw.open_time_ms[accepted], kind="stable")]
    return ValidatedCandles(
        Candles.from_columns({name: column[in_order] for name, column in raw.columns().items()}),
        _quarantined(raw, codes),
        int(np.count_nonzero(forming)),
        answered,
        closed_before_ms,
    )


def obeys_the_rules(candles: Candles, dataset: Dataset, span: TimeSpan) -> bool:
    """Whether stored candles are what `validate` lets pass: inside the span, on the grid, sound in every value.

    Only a gateway knows whether prices may be negative, so that is not judged here.
    """
    return _is_clean(candles, dataset, span, may_be_negative=True)


def _is_clean(raw: RawCandles, dataset: Dataset, answered: TimeSpan, may_be_negative: bool) -> bool:
    """Whether every bar is in order, final and sound: nearly every page is, and one pass shows it.

    Every comparison is false for a NaN, so none slips through.
    """
    opens = raw.open_time_ms
    if not len(opens):
        return True
    return bool(
        opens[0] >= answered.start_ms
        and opens[-1] < answered.end_ms
        and np.all(opens[1:] > opens[:-1])
        and np.all(dataset.grid.are_openings(opens))
        and np.all(raw.low <= raw.open)
        and np.all(raw.low <= raw.close)
        and np.all(raw.high >= raw.open)
        and np.all(raw.high >= raw.close)
        and raw.low.min() > _lowest(may_be_negative)
        and raw.high.max() < np.inf
        and raw.volume.min() >= 0
        and raw.volume.max() < np.inf
    )


def _forming(raw: RawCandles, dataset: Dataset, span: TimeSpan, closed_before_ms: int) -> Mask:
    """Not closed yet, and plausibly so.

    Times far outside the span (microseconds taken for milliseconds, say) are no forming bars: were they
    dropped as such, a page of garbage would pass for a confirmed empty one.
    """
    opens, grid = raw.open_time_ms, dataset.grid
    if closed_before_ms >= grid.known.end_ms:
        return np.zeros(len(opens), np.bool_)
    if isinstance(grid, FixedGrid):
        latest_ms = max(span.end_ms, closed_before_ms + grid.step_ms)
        return (opens > closed_before_ms - grid.step_ms) & (opens <= latest_ms)
    return (opens >= grid.floor(closed_before_ms)) & (opens <= max(span.end_ms, grid.next(closed_before_ms)))


def _broken_rules(raw: RawCandles, dataset: Dataset, span: TimeSpan, may_be_negative: bool) -> Codes:
    """The first rule that each bar breaks, 0 for none."""
    opens = raw.open_time_ms
    prices = (raw.open, raw.high, raw.low, raw.close)
    broken: tuple[Mask, ...] = (
        (opens < span.start_ms) | (opens >= span.end_ms),
        ~dataset.grid.are_openings(opens),
        ~np.logical_and.reduce([np.isfinite(price) for price in prices]),
        np.logical_or.reduce([price <= _lowest(may_be_negative) for price in prices]),
        ~np.isfinite(raw.volume),
        raw.volume < 0,
        raw.low > np.minimum(raw.open, raw.close),
        raw.high < np.maximum(raw.open, raw.close),
    )
    codes = np.zeros(len(raw), np.uint8)
    for rule, mask in reversed(list(zip(RULES, broken, strict=True))):
        codes[mask] = _REASONS.index(rule)
    return codes


def _refuse_repeated(raw: RawCandles, codes: Codes, candidates: NDArray[np.intp]) -> None:
    opens = raw.open_time_ms[candidates]
    if len(np.unique(opens)) == len(opens):
        return
    bits = np.stack([column[candidates].view(np.int64) for column in raw.columns().values()])
    _, first, group = np.unique(opens, return_index=True, return_inverse=True)
    differs = (bits != bits[:, first[group]]).any(axis=0)
    contradicted = np.zeros(len(first), np.bool_)
    contradicted[group[differs]] = True
    is_repeat = np.ones(len(opens), np.bool_)
    is_repeat[first] = False
    codes[candidates[is_repeat]] = _REASONS.index(DUPLICATE)
    codes[candidates[contradicted[group]]] = _REASONS.index(CONFLICTING_DUPLICATE)


def _quarantined(raw: RawCandles, codes: Codes) -> tuple[QuarantinedCandle, ...]:
    columns = raw.columns()
    return tuple(
        QuarantinedCandle(
            int(raw.open_time_ms[position]),
            _REASONS[codes[position]],
            tuple((name, column[position].item()) for name, column in columns.items() if name != "open_time_ms"),
        )
        for position in np.flatnonzero(codes).tolist()
    )


def _final_part(dataset: Dataset, span: TimeSpan, closed_before_ms: int) -> TimeSpan:
    """The span up to the first opening whose bar had not closed, on the grid."""
    aligned = dataset.align(span)
    end_ms = min(aligned.end_ms, dataset.closed_by(closed_before_ms))
    return TimeSpan(aligned.start_ms, max(aligned.start_ms, end_ms))


def _lowest(may_be_negative: bool) -> float:
    """What a price has to be above."""
    return -np.inf if may_be_negative else 0.0
