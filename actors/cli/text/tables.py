"""Tables that fit a terminal: aligned columns, with values that all rows share in a line above. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

WIDTH = 100
"""The usual greatest width of a table, in characters."""

SHORTEST_CELL = 16
"""An elastic column is at least this wide, however wide the others are."""

_BETWEEN = "  "


def table_lines(heads: Sequence[str], rows: Iterable[Sequence[str]], elastic: str = "") -> list[str]:
    """The heads and the rows as aligned lines; the column `elastic` is shortened to the width that the others leave."""
    table = [list(heads), *map(list, rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(heads))]
    if elastic:
        column = heads.index(elastic)
        others = sum(widths) - widths[column] + len(_BETWEEN) * (len(heads) - 1)
        widths[column] = min(widths[column], max(SHORTEST_CELL, WIDTH - others))
        for row in table:
            row[column] = shortened(row[column], widths[column])
    return [_BETWEEN.join(map(str.ljust, row, widths)).rstrip() for row in table]


def folded(
    heads: Sequence[str], rows: Iterable[Sequence[str]], wording: Mapping[str, str]
) -> tuple[str, list[str], list[list[str]]]:
    """A line with the values that all rows share in the columns of `wording`, and the table without those columns."""
    table = [list(row) for row in rows]
    shared = {head for column, head in enumerate(heads) if head in wording and len({row[column] for row in table}) == 1}
    line = ", ".join(wording[head].format(table[0][column]) for column, head in enumerate(heads) if head in shared)
    kept = [column for column, head in enumerate(heads) if head not in shared]
    return line, [heads[column] for column in kept], [[row[column] for column in kept] for row in table]


def shortened(text: str, longest: int) -> str:
    """The text, cut to `longest` characters with dots at its end."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."
