"""Coverage: what is known of a span, and what has still to be asked."""

from __future__ import annotations

from dataclasses import dataclass

from domain.timespan import TimeSpan


@dataclass(frozen=True, slots=True)
class Coverage:
    """What of `span` was asked and answered in full: `stored` has candles, `confirmed_empty` has none.

    Both are sorted, disjoint and inside `span`. What is in neither was never asked, or was not final.
    """

    span: TimeSpan
    stored: tuple[TimeSpan, ...] = ()
    confirmed_empty: tuple[TimeSpan, ...] = ()

    @property
    def missing(self) -> list[TimeSpan]:
        """What has still to be asked, in order; empty means: proven complete."""
        return self.span.subtract((*self.stored, *self.confirmed_empty))

    @property
    def is_complete(self) -> bool:
        return not self.missing
