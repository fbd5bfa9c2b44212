"""`ca`: the authorities that sign the certificates of controllers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.asking import (
    NODES,
    BatchOption,
    DryRunOption,
    RulesOption,
    ask_nodes,
)
from iolaus.north.cli.asking import YesOption as AtOnceOption
from iolaus.north.cli.cells import Column, column
from iolaus.north.cli.client import Client, flat
from iolaus.north.cli.render import Output, print_json, print_table, say, write

AUTHORITIES: Final = "/api/v1/authorities"
MAX_PEM: Final = 64 * 1024
NameArgument = Annotated[str, typer.Argument(metavar="NAME", show_default=False)]
LeafDays = Annotated[
    int, typer.Option("--leaf-days", metavar="N", help="How long what it signs lasts.")
]
COLUMNS: Final = (
    column("NAME", "name"),
    column("KIND", "kind"),
    column("SUBJECT", "subject"),
    Column(title="ENDS", cell=lambda row: str(row["not_after"])[:10]),
    column("LEAF_DAYS", "leaf_days", right=True),
)


def create(
    name: NameArgument,
    days: Annotated[int, typer.Option("--days", metavar="N", help="How long it lasts.")] = 3650,
    leaf_days: LeafDays = 397,
    organization: Annotated[
        str | None, typer.Option("--organization", help="What requests say, besides the host.")
    ] = None,
    country: Annotated[
        str | None, typer.Option("--country", metavar="CC", help="Two letters.")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Make an authority. Its key is made on the server and never leaves it.

    Example: iolaus ca create hall-ca --organization "Example Ltd" --country DE
    """
    words = {"organization": organization, "country": country}
    spec = {
        "name": name,
        "days": days,
        "leafDays": leaf_days,
        "words": {key: text for key, text in words.items() if text},
    }
    _keep(spec, url)


def bring_in(
    name: NameArgument,
    certificate: Annotated[
        Path, typer.Option("--certificate", metavar="FILE", help="PEM, those above it behind.")
    ],
    key: Annotated[
        Path, typer.Option("--key", metavar="FILE", help="PEM (PKCS#8), without a passphrase.")
    ],
    leaf_days: LeafDays = 397,
    url: UrlOption = None,
) -> None:
    """Bring an authority in, with its key. The key is never shown again.

    Example: iolaus ca import hall-ca --certificate ca.pem --key ca.key
    """
    spec = {
        "name": name,
        "leafDays": leaf_days,
        "certificate": _text(certificate),
        "key": _text(key),
    }
    _keep(spec, url)


def show(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", show_default=False)] = None,
    output: Annotated[str, typer.Option("-o", "--output", metavar="table|json|pem")] = "table",
    url: UrlOption = None,
) -> None:
    """Show authorities, or the certificate of one: what clients have to trust.

    Examples: iolaus ca show; iolaus ca show hall-ca -o pem > hall-ca.pem
    """
    with Client(url) as client:
        if name is None:
            rows = [flat(item) for item in client.get(AUTHORITIES)["items"]]
        else:
            rows = [flat(client.get(f"{AUTHORITIES}/{quote(name, safe='')}"))]
    if output == "json":
        print_json({"kind": "AuthorityList", "items": rows})
    elif output == "pem":
        write("".join(row["certificate"] for row in rows))
    else:
        print_table(COLUMNS, rows)


def remove(name: NameArgument, yes: YesOption = False, url: UrlOption = None) -> None:
    """Remove an authority and its key: nothing more can be signed by it.

    Example: iolaus ca remove hall-ca --yes
    """
    confirm(f"remove authority {name} and its key?", "remove", yes=yes, subject=f"ca/{name}")
    with Client(url) as client:
        client.delete(f"{AUTHORITIES}/{quote(name, safe='')}")
    say(f"authority {name} and its key are gone")


def renew(
    names: NODES = None,
    authority: Annotated[
        str, typer.Option("--authority", metavar="NAME", help="Who signs: iolaus ca show.")
    ] = "",
    selector: SelectorOption = None,
    rules: RulesOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: AtOnceOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan new certificates for controllers, whatever the old ones are.

    Example: iolaus ca renew h1-r07-u12 --authority hall-ca --yes
    """
    ask_nodes(
        "certificate",
        {"authority": authority},
        names,
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


CA_COMMANDS: Final[Mapping[str, Callable[..., Any] | None]] = {
    "create": create,
    "import": bring_in,
    "show": show,
    "remove": remove,
    "renew": renew,
}


def _keep(spec: Mapping[str, Any], url: str | None) -> None:
    with Client(url) as client:
        made = flat(client.post(AUTHORITIES, {"spec": spec}))
    say(f"authority {made['name']}: {made['subject']}, until {str(made['not_after'])[:10]}")
    say(f"its certificate: iolaus ca show {made['name']} -o pem")


def _text(path: Path) -> str:
    """Never what is in it, whatever is wrong with it."""
    try:
        if path.stat().st_size > MAX_PEM:
            raise OSError(f"it is longer than {MAX_PEM} bytes")
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or (
            "it is no text" if isinstance(error, UnicodeDecodeError) else str(error)
        )
        raise OperatorMust(
            f"it cannot be read: {why}",
            operation="read",
            subject=str(path),
            code="FileNotReadable",
            next_step="give a PEM file.",
        ) from None
