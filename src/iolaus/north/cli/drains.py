"""`drain` and `undrain`: work is taken away from nodes, and they are given back."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import SelectorOption, UrlOption, YesOption, confirm, fetch, path_of
from iolaus.north.cli.cells import text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import say
from iolaus.north.kinds import BY_NAME, NODE

DRAIN: Final = BY_NAME["drain"]
WORDS: Final[Mapping[str, str]] = {"done": "done", "refuse": "refused"}
LOOK_EVERY_S: Final = 2.0
NEEDS_PERSON: Final = 3
NodeNames = Annotated[
    list[str] | None, typer.Argument(metavar="[done|refuse] [NODE]...", show_default=False)
]


def drain(
    names: NodeNames = None,
    selector: SelectorOption = None,
    reason: Annotated[
        str, typer.Option("--reason", help="What people read where work is run.")
    ] = "maintenance",
    adapter: Annotated[
        str, typer.Option("--with", metavar="NAME", help="Of drains.yaml [default: the only one].")
    ] = "",
    wait: Annotated[bool, typer.Option("--wait", help="Stay until nothing is left there.")] = False,
    note: Annotated[str, typer.Option("--note", help="With done and refuse: what to add.")] = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Have work taken away from nodes. Where a person does that, done or refuse is their answer.

    Examples: iolaus drain h1-r07-u12 --reason "new pump" --wait; iolaus drain done h1-r07-u12
    """
    given = list(names or ())
    with Client(url) as client:
        if given and given[0] in WORDS:
            _answer(client, given[1:], selector, given[0], note=note, dry_run=dry_run)
            return
        rows = _nodes(client, given, selector)
        if dry_run:
            say(f"would drain {_named(rows)}")
            return
        confirm(f"drain {_named(rows)}?", "drain", yes=yes or len(rows) == 1, subject="nodes")
        order = {"spec": {"reason": reason, "adapter": adapter}}
        for row in rows:
            _tell(flat(client.post(f"{path_of(NODE, row['name'])}/drain", order)))
        if wait:
            _wait(client, [row["name"] for row in rows])


def undrain(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", show_default=False)
    ] = None,
    selector: SelectorOption = None,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Give nodes back that were drained with `drain`; what others drained stays.

    Example: iolaus undrain -l rack=h1-r07
    """
    with Client(url) as client:
        rows = _nodes(client, list(names or ()), selector)
        if dry_run:
            say(f"would give back {_named(rows)}")
            return
        for row in rows:
            client.post(f"{path_of(NODE, row['name'])}/undrain", {})
            say(f"{row['name']} is given back")


def _answer(
    client: Client, names: list[str], selector: str | None, word: str, *, note: str, dry_run: bool
) -> None:
    for row in _nodes(client, names, selector):
        if dry_run:
            say(f"would say that the drain of {row['name']} is {WORDS[word]}")
            continue
        body = {"word": WORDS[word], "note": note}
        _tell(flat(client.post(f"{path_of(NODE, row['name'])}/drain/say", body)))


def _wait(client: Client, names: Sequence[str]) -> None:
    """Until each is drained, or needs a person. Raises `typer.Exit` for the latter."""
    left, refused = list(names), False
    while left:
        time.sleep(LOOK_EVERY_S)
        for name in list(left):
            row = flat(client.get(path_of(DRAIN, name)))
            if row["state"] in ("drained", "refused"):
                left.remove(name)
                refused = refused or row["state"] == "refused"
                _tell(row)
    if refused:
        raise typer.Exit(NEEDS_PERSON)


def _tell(row: Mapping[str, Any]) -> None:
    detail = f": {text(row['detail'])}" if row["detail"] else ""
    say(f"{row['node']} {row['state']} ({row['adapter']}){detail}")


def _nodes(client: Client, names: Sequence[str], selector: str | None) -> list[Flat]:
    """The nodes meant. Raises `OperatorMust` when none is."""
    given = [name.removeprefix("node/").removeprefix("no/") for name in names]
    rows = list(fetch(client, NODE, given, selector=selector)) if given or selector else []
    if not rows:
        raise OperatorMust(
            "nothing is selected" if selector else "nothing is named",
            operation="drain",
            subject=selector or "nodes",
            code="NothingNamed",
            next_step="name nodes, or select them with -l.",
        )
    return rows


def _named(rows: Sequence[Flat]) -> str:
    first = ", ".join(row["name"] for row in rows[:4]) + (" ..." if len(rows) > 4 else "")
    return f"{len(rows)} {'node' if len(rows) == 1 else 'nodes'} ({first})"
