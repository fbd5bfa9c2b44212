"""`token`: who may speak to the server, as what, and for which groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from iolaus.north.auth import Role
from iolaus.north.cli.ask import UrlOption, YesOption, confirm
from iolaus.north.cli.cells import Column, column
from iolaus.north.cli.client import Client, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import print_json, print_table, say, write

TOKENS: Final = "/api/v1/tokens"
ListOutput = Annotated[str, typer.Option("-o", "--output", metavar="table|json")]
COLUMNS: Final = (
    column("ID", "id"),
    column("NAME", "name"),
    column("ROLE", "role"),
    column("GROUPS", "groups"),
    column("SCOPE", "scope"),
    column("MADE BY", "made_by"),
    Column(title="EXPIRES", cell=lambda row: _expires(row)),
)


def create(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False, help="Whose it is.")],
    role: Annotated[Role, typer.Option("--role", help="What it may do.")] = Role.VIEWER,
    groups: Annotated[
        str | None,
        typer.Option("--groups", metavar="G,G", help="The approvals that it speaks for."),
    ] = None,
    scope: Annotated[
        str, typer.Option("--scope", metavar="SELECTOR", help="Nothing else exists for it.")
    ] = "",
    expires: Annotated[
        str | None, typer.Option("--expires", metavar="90d", help="It ends after so long.")
    ] = None,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Make a token and print it, this once. Two tokens of one name are one person.

    Example: iolaus token create carol --role approver --groups hw-oncall
    """
    named = [each.strip() for each in (groups or "").split(",") if each.strip()]
    spec = {"name": name, "role": role.value, "groups": named, "scope": scope}
    spec |= {"expiresIn": expires} if expires else {}
    told = f"{name}, {role.value}" + (f", groups {', '.join(named)}" if named else "")
    if dry_run:
        say(f"would make a token for {told}")
        return
    with Client(url) as client:
        made = flat(client.post(TOKENS, {"spec": spec}))
    say(f"token {made['id']} for {told}; it is shown this once: export IOLAUS_TOKEN=...")
    write(made["token"] + "\n")


def list_tokens(output: ListOutput = "table", url: UrlOption = None) -> None:
    """List tokens; their texts are kept nowhere.

    Example: iolaus token list
    """
    with Client(url) as client:
        rows = [flat(item) for item in client.get(TOKENS)["items"]]
    if output == "json":
        shown = [{k: v for k, v in row.items() if k != "token"} for row in rows]
        print_json({"kind": "TokenList", "items": shown})
    else:
        print_table(COLUMNS, rows)


def revoke(
    ident: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Revoke a token: from now on it is not known. `iolaus token list` shows the ids.

    Example: iolaus token revoke 3f9ac0d1e2b4 --yes
    """
    if dry_run:
        say(f"would revoke token {ident}")
        return
    confirm(f"revoke token {ident}?", "revoke", yes=yes, subject=f"token/{ident}")
    with Client(url) as client:
        gone = flat(client.delete(f"{TOKENS}/{quote(ident, safe='')}"))
    say(f"token {ident} of {gone['name']} is revoked")


def _expires(row: Mapping[str, Any]) -> str:
    return "expired" if row["expired"] else str(row["expires_at"] or "never")[:10]


TOKEN_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "create": create,
    "list": list_tokens,
    "revoke": revoke,
}
