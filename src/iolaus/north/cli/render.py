"""Printing: tables for people, JSON, YAML, CSV and names for programs.

A table on a terminal is coloured and cut to its width; piped, it is plain text with aligned
columns and whole values, so `awk` works on it. Colours never carry meaning alone.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, TextIO

import msgspec
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from iolaus.kernel.errors import IolausError
from iolaus.north.cli.cells import Column, text
from iolaus.north.cli.columns import columns_of
from iolaus.north.kinds import Kind

GAP: Final = "   "
STYLES: Final[Mapping[str, str]] = {
    "OK": "green",
    "dry": "green",
    "reachable": "green",
    "Warning": "yellow",
    "unauthenticated": "yellow",
    "Critical": "bold red",
    "leak": "bold red",
    "unreachable": "bold red",
    "in-sync": "green",
    "drifted": "bold yellow",
    "weak": "bold yellow",
    "sound": "green",
    "conflict": "bold red",
    "staged": "yellow",
    "excused": "cyan",
    "unknown": "magenta",
    "done": "green",
    "running": "cyan",
    "paused": "bold yellow",
    "aborting": "bold yellow",
    "undoing": "bold yellow",
    "aborted": "yellow",
    "undone": "yellow",
    "Unknown": "magenta",
    "trusted": "green",
    "verified": "green",
    "waived": "yellow",
    "untrusted": "bold red",
}


class Output(StrEnum):
    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"
    CSV = "csv"


def is_plain(stream: TextIO) -> bool:
    return not stream.isatty() or bool(os.environ.get("NO_COLOR"))


def err_console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True, no_color=is_plain(sys.stderr))


def print_list(kind: Kind, rows: Sequence[Mapping[str, Any]], output: Output) -> None:
    """Flat objects of one kind."""
    if output is Output.JSON:
        print_json({"kind": kind.list_object, "items": [without_id(kind, row) for row in rows]})
    elif output is Output.YAML:
        document = {"kind": kind.list_object, "items": [without_id(kind, row) for row in rows]}
        write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    elif output is Output.NAME:
        write("".join(f"{kind.name}/{row['id']}\n" for row in rows))
    else:
        columns = columns_of(kind, wide=output in (Output.WIDE, Output.CSV))
        print_csv(columns, rows) if output is Output.CSV else print_table(columns, rows)


def print_one(kind: Kind, row: Mapping[str, Any], output: Output) -> None:
    if output is Output.JSON:
        print_json(without_id(kind, row))
    elif output is Output.YAML:
        write(yaml.safe_dump(without_id(kind, row), sort_keys=False, allow_unicode=True))
    else:
        print_list(kind, [row], output)


def without_id(kind: Kind, row: Mapping[str, Any]) -> dict[str, Any]:
    """The object's own fields: `id` only where it is one of them."""
    keep = "id" in kind.view.__struct_fields__
    return {name: value for name, value in row.items() if keep or name != "id"}


def print_json(value: object) -> None:
    write(msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n")


def print_csv(columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([each.title for each in columns])
    writer.writerows([each.cell(row) for each in columns] for row in rows)
    write(buffer.getvalue())


def print_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
    if is_plain(sys.stdout):
        write(plain_table(columns, rows))
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for each in columns:
        table.add_column(each.title, justify="right" if each.right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(styled(each.cell(row), row) for each in columns))
    Console(highlight=False).print(table)


def plain_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> str:
    return Lines(columns).add(rows, header=True)


class Lines:
    """A plain table that may grow for ever: columns widen and never become narrower."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = [len(each.title) for each in columns]

    def add(self, rows: Sequence[Mapping[str, Any]], *, header: bool = False) -> str:
        titles = [[each.title for each in self._columns]] if header else []
        cells = [*titles, *([each.cell(row) for each in self._columns] for row in rows)]
        for line in cells:
            self._widths = [max(w, len(cell)) for w, cell in zip(self._widths, line, strict=True)]
        return "".join(_plain_line(self._columns, line, self._widths) for line in cells)


def _plain_line(columns: Sequence[Column], line: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if each.right else cell.ljust(width)
        for each, cell, width in zip(columns, line, widths, strict=True)
    ]
    return GAP.join(padded).rstrip() + "\n"


def styled(cell: str, row: Mapping[str, Any]) -> Text:
    style = STYLES.get(cell, "")
    return Text(cell, style=f"dim {style}".strip() if row.get("stale") else style)


def write(content: str) -> None:
    sys.stdout.write(content)
    sys.stdout.flush()


def say(message: str) -> None:
    """A word to the person; never data."""
    sys.stderr.write(message + "\n")


def print_error(error: IolausError) -> None:
    """What, to what, what next: three lines at most."""
    console = err_console()
    console.print(Text.assemble(("error: ", "bold red"), text(error.message)))
    console.print(Text(f"  while: {text(error.operation)} {text(error.subject)}"))
    if error.next_step:
        console.print(Text(f"  next:  {text(error.next_step)}"))
