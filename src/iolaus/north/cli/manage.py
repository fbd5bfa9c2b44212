"""`manage`: saying that endpoints may be changed. Until then everything is only read."""

from __future__ import annotations

from typing import Annotated, Final
from urllib.parse import quote

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import SelectorOption, UrlOption, YesOption, confirm, fetch
from iolaus.north.cli.client import Client, Flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import say
from iolaus.north.kinds import BY_NAME

ENDPOINT: Final = BY_NAME["endpoint"]


def refresh(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ENDPOINT]...", show_default=False)
    ] = None,
    selector: SelectorOption = None,
    url: UrlOption = None,
) -> None:
    """Read the whole inventory of endpoints now, and not only when it is their turn.

    Example: iolaus refresh -l rack=h1-r07
    """
    with Client(url) as client:
        rows = _named(client, names, selector, operation="refresh")
        for row in rows:
            client.post(f"/api/v1/endpoints/{quote(row['name'], safe='')}/refresh", {})
    say(f"{len(rows)} {'endpoint is' if len(rows) == 1 else 'endpoints are'} read again")


def manage(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ENDPOINT]...", show_default=False)
    ] = None,
    selector: SelectorOption = None,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Take it back: they are only read.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Allow that endpoints are changed by plans; until then they are only read.

    Examples: iolaus manage h1-r07-u12; iolaus manage -l rack=h1-r07 --yes
    """
    mode = "read-only" if read_only else "managed"
    with Client(url) as client:
        rows = _named(client, names, selector, operation="manage")
        due = [row for row in rows if row["mode"] != mode]
        if due and not dry_run:
            question = f"make {len(due)} of {len(rows)} endpoints {mode}?"
            confirm(question, "manage", yes=yes, subject="endpoints")
        for row in due if not dry_run else ():
            path = f"/api/v1/endpoints/{quote(row['name'], safe='')}"
            client.patch(path, {"spec": {"mode": mode}})
    would = "would become" if dry_run else "became"
    say(f"{len(due)} of {len(rows)} endpoints {would} {mode}")


def _named(
    client: Client, names: list[str] | None, selector: str | None, *, operation: str
) -> list[Flat]:
    """The endpoints meant. Raises `OperatorMust` when none is named."""
    given = [name.removeprefix("endpoint/").removeprefix("ep/") for name in names or ()]
    if not given and not selector:
        raise OperatorMust(
            "nothing is named",
            operation=operation,
            subject="endpoints",
            code="NothingNamed",
            next_step="name endpoints, or select them with -l.",
        )
    return list(fetch(client, ENDPOINT, given, selector=selector))
