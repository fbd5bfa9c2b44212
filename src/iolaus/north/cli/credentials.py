"""`rotate` and `credential`: new passwords by plan, and what is known of those in force.

A password is read from a file, the environment or a prompt, never from the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption
from iolaus.north.cli.asking import (
    NODES,
    BatchOption,
    DryRunOption,
    RulesOption,
    YesOption,
    ask_nodes,
)
from iolaus.north.cli.cells import Column, column, short_age
from iolaus.north.cli.client import Client
from iolaus.north.cli.discover import read_password
from iolaus.north.cli.render import Output, print_json, print_table, say

CREDENTIALS: Final = "/api/v1/credentials"
BATCH: Final = "32"
COLUMNS: Final = (
    column("ENDPOINT", "endpoint"),
    column("USER", "user"),
    column("STATE", "state"),
    Column(title="AGE", cell=lambda row: short_age(row["age_s"]), right=True),
    column("GIVEN", "number", right=True),
    column("SHARED", "shared"),
    column("OLD PASSWORD", "old"),
)
ListOutput = Annotated[str, typer.Option("-o", "--output", metavar="table|json")]


def rotate(
    names: NODES = None,
    selector: SelectorOption = None,
    rules: RulesOption = None,
    batch: BatchOption = BATCH,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan that controllers are given new passwords, each one of its own.

    Examples: iolaus rotate h1-r07-u12; iolaus rotate -l rack=h1-r07 --yes
    """
    ask_nodes(
        "rotate",
        {},
        names,
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


def list_credentials(output: ListOutput = "table", url: UrlOption = None) -> None:
    """List the logins of endpoints: whose, how old, what became of the old one. Never a secret.

    Example: iolaus credential list
    """
    with Client(url) as client:
        found = client.get(CREDENTIALS)
    if output == "json":
        print_json(found)
    else:
        print_table(COLUMNS, found["items"])


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    user: Annotated[str, typer.Option("--user", metavar="USER", show_default=False)],
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="Else IOLAUS_BMC_PASSWORD, or a prompt.")
    ] = None,
    uses: Annotated[
        list[str] | None,
        typer.Option("--for", metavar="PATTERN", help="Endpoints that log in with it."),
    ] = None,
    recovers: Annotated[
        list[str] | None,
        typer.Option("--recovers", metavar="PATTERN", help="Endpoints that may fall back to it."),
    ] = None,
    url: UrlOption = None,
) -> None:
    """Keep a login, sealed. A PATTERN is an address, a range, host names with *, or default.

    Example: iolaus credential add maker --user admin --password-file f --recovers 10.3.0.0/16
    """
    if not uses and not recovers:
        raise OperatorMust(
            "it is for nobody",
            operation="credential add",
            subject=name,
            code="BadUsage",
            next_step="say who logs in with it (--for), or may fall back to it (--recovers).",
        )
    spec: dict[str, Any] = {
        "name": name,
        "user": user,
        "password": read_password(user, password_file),
    }
    spec |= {"uses": uses or [], "recovers": recovers or []}
    with Client(url) as client:
        client.post(CREDENTIALS, {"spec": spec})
    say(f"credential {name} ({user}) is kept, sealed")


CREDENTIAL_COMMANDS: Final[Mapping[str, Callable[..., Any] | None]] = {
    "list": list_credentials,
    "add": add,
}
