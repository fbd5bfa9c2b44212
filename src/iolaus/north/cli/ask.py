"""The words that verbs share: `node/x`, `node x y`, `-l`, `-o`, and what they mean in REST."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer

from iolaus.kernel.errors import OperatorMust, PolicyRefused
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.render import Output
from iolaus.north.kinds import KINDS, Kind, find_kind

KindWord = Annotated[
    str,
    typer.Argument(
        metavar="KIND[/NAME]",
        help="What: " + " ".join(f"{k.name}({k.short})" if k.short else k.name for k in KINDS),
        show_default=False,
    ),
]
Names = Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", show_default=False)]
SelectorOption = Annotated[
    str | None,
    typer.Option(
        "-l",
        "--selector",
        metavar="SELECTOR",
        help="rack=h1-r07,vendor!=dell,counts.gpu>=8 or h1-r[01-16]-u[01-18]",
    ),
]
OutputOption = Annotated[Output, typer.Option("-o", "--output", help="How to print it.")]
UrlOption = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The server [default: IOLAUS_URL or local]."),
]
YesOption = Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")]


def confirm(question: str, operation: str, *, yes: bool, subject: str) -> None:
    """Raises `PolicyRefused` without a yes: from the option or from a person at a terminal."""
    if yes or (sys.stdin.isatty() and typer.confirm(question, err=True)):
        return
    raise PolicyRefused(
        "it was not confirmed",
        operation=operation,
        subject=subject,
        code="NotConfirmed",
        next_step="add --yes if you mean it, or --dry-run to see what it would do."
        if operation != "undo"
        else "add --yes if you mean it.",
    )


def read_kind(word: str, names: Sequence[str] | None) -> tuple[Kind, list[str]]:
    """`node/x` or `node x y`. Raises `OperatorMust`."""
    head, slash, name = word.partition("/")
    kind = find_kind(head)
    if slash and not name:
        raise OperatorMust(
            "a name is missing behind the slash",
            operation="read",
            subject=word,
            code="NoName",
            next_step=f"write {kind.name}/NAME, or only {kind.plural}.",
        )
    given = ([name] if slash else []) + [_bare(each, kind) for each in names or ()]
    return kind, given


def _bare(name: str, kind: Kind) -> str:
    """`node/x` among further names is x."""
    head, slash, rest = name.partition("/")
    return rest if slash and head in (kind.name, kind.plural, kind.short) else name


def path_of(kind: Kind, name: str = "") -> str:
    return f"/api/v1/{kind.plural}" + (f"/{quote(name, safe='')}" if name else "")


def fetch(
    client: Client, kind: Kind, names: Sequence[str], *, selector: str | None, **query: str | None
) -> Iterator[Flat]:
    """The named objects, or all that the selector selects."""
    if names:
        for name in names:
            yield flat(client.get(path_of(kind, name)))
        return
    extra: dict[str, Any] = {**query, "labelSelector": selector}
    yield from client.pages(path_of(kind), **extra)
