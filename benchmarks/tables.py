"""Table: one benchmark's results, for the terminal and for Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table as RichTable


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of texts under columns; `note` says how they were measured."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def print(self, console: Console) -> None:
        """Show it in a terminal."""
        table = RichTable(title=self.title, title_justify="left", caption=self.note, caption_justify="left")
        for number, column in enumerate(self.columns):
            table.add_column(column, justify="left" if number == 0 else "right", no_wrap=True)
        for row in self.rows:
            table.add_row(*row)
        console.print(table)

    def markdown(self) -> str:
        """The same for a document."""
        alignment = ["---", *["---:"] * (len(self.columns) - 1)]
        lines = [_line(self.columns), _line(alignment), *map(_line, self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, "", self.note, ""])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
