"""Validation: which candles are accepted, which are quarantined, and why."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from domain.candles import Candles, Dataset, RawCandles
from domain.timespan import TimeSpan

DUPLICATE = "duplicate"
CONFLICTING_DUPLICATE = "conflicting duplicate"

Mask = NDArray[np.bool_]


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
    It includes the openings of quarantined bars: they were asked and the answer is kept, so asking
    again would only bring the same bad bar. That holds only for pages worth saving: of a page that
    `is_mostly_bad` nothing may be saved. `forming` counts bars dropped because they had not closed.
    """

    candles: Candles
    quarantined: tuple[QuarantinedCandle, ...]
    forming: int
    answered: TimeSpan

    @property
    def is_mostly_bad(self) -> bool:
        """Whether more than half of the closed bars were refused: the page then says nothing reliable."""
        return len(self.quarantined) > len(self.candles)


def validate(raw: RawCandles, dataset: Dataset, span: TimeSpan, closed_before_ms: int) -> ValidatedCandles:
    """Judge what a broker answered for `span`; the result's candles all lie in its `answered` part.

    A bar that had not closed by `closed_before_ms` is dropped, not refused. Of bars that are the same
    in every bit one is kept; bars that contradict each other about one opening are all refused.
    """
    forming = _forming(raw, dataset, span, closed_before_ms)
    reasons = _reasons(raw, dataset, span)
    reasons[forming] = ""
    _refuse_repeated(raw, reasons, np.flatnonzero(~forming & (reasons == "")))
    accepted = np.flatnonzero(~forming & (reasons == ""))
    in_order = accepted[np.argsort(raw.open_time_ms[accepted], kind="stable")]
    return ValidatedCandles(
        Candles.from_columns({name: column[in_order] for name, column in raw.columns().items()}),
        _quarantined(raw, reasons),
        int(np.count_nonzero(forming)),
        _final_part(dataset, span, closed_before_ms),
    )


def _forming(raw: RawCandles, dataset: Dataset, span: TimeSpan, closed_before_ms: int) -> Mask:
    """Not closed yet, and plausibly so.

    Times far outside the span (microseconds taken for milliseconds, say) are no forming bars: were they
    dropped as such, a page of garbage would pass for a confirmed empty one.
    """
    opens = raw.open_time_ms
    duration_ms = dataset.interval.duration_ms
    latest_ms = max(span.end_ms, closed_before_ms + duration_ms)
    return (opens > closed_before_ms - duration_ms) & (opens <= latest_ms)


def _reasons(raw: RawCandles, dataset: Dataset, span: TimeSpan) -> NDArray[np.object_]:
    """The first rule that each bar breaks, or the empty string."""
    opens, duration_ms = raw.open_time_ms, dataset.interval.duration_ms
    prices = (raw.open, raw.high, raw.low, raw.close)
    lower_body, upper_body = np.minimum(raw.open, raw.close), np.maximum(raw.open, raw.close)
    rules: list[tuple[str, Mask]] = [
        ("opens outside the span asked for", (opens < span.start_ms) | (opens >= span.end_ms)),
        ("opens off the grid", opens % duration_ms != dataset.anchor_ms % duration_ms),
        ("a price is not a finite number", ~np.logical_and.reduce([np.isfinite(price) for price in prices])),
        ("a price is not positive", np.logical_or.reduce([price <= 0 for price in prices])),
        ("volume is not a finite number", ~np.isfinite(raw.volume)),
        ("volume is negative", raw.volume < 0),
        ("low is above open or close", raw.low > lower_body),
        ("high is below open or close", raw.high < upper_body),
    ]
    reasons = np.full(len(raw), "", dtype=object)
    for reason, broken in reversed(rules):
        reasons[broken] = reason
    return reasons


def _refuse_repeated(raw: RawCandles, reasons: NDArray[np.object_], candidates: NDArray[np.intp]) -> None:
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
    reasons[candidates[is_repeat]] = DUPLICATE
    reasons[candidates[contradicted[group]]] = CONFLICTING_DUPLICATE


def _quarantined(raw: RawCandles, reasons: NDArray[np.object_]) -> tuple[QuarantinedCandle, ...]:
    columns = raw.columns()
    return tuple(
        QuarantinedCandle(
            int(raw.open_time_ms[position]),
            str(reasons[position]),
            tuple((name, column[position].item()) for name, column in columns.items() if name != "open_time_ms"),
        )
        for position in np.flatnonzero(reasons != "").tolist()
    )


def _final_part(dataset: Dataset, span: TimeSpan, closed_before_ms: int) -> TimeSpan:
    """The span up to the first opening whose bar had not closed, on the grid."""
    aligned = dataset.align(span)
    end_ms = min(aligned.end_ms, dataset.floor_ms(closed_before_ms))
    return TimeSpan(aligned.start_ms, max(aligned.start_ms, end_ms))
