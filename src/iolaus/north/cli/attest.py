"""`attest`: have components prove what they run, now, and show what came of it."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.render import Output, print_list, say
from iolaus.north.kinds import BY_NAME

ATTESTATION: Final = BY_NAME["attestation"]
WAIT_S: Final = 120.0
LOOK_S: Final = 0.5
PATH: Final = "/api/v1/attestations"


def attest(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", show_default=False)
    ] = None,
    selector: SelectorOption = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for the answers and show them.")
    ] = True,
    enrol: Annotated[
        str | None,
        typer.Option(
            "--enrol",
            metavar="NODE:COMPONENT",
            help="A part was exchanged: let who answered last be it from now on.",
        ),
    ] = None,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Ask components of nodes to prove what they run; read-only endpoints too.

    Exit code 5 if anything asked is not trusted. Examples: iolaus attest h1-r07-u12;
    iolaus attest -l rack=h1-r07; iolaus attest --enrol h1-r07-u12:HGX_ERoT_GPU_0
    """
    with Client(url) as client:
        if enrol is not None:
            _enrol(client, enrol, yes=yes)
            return
        nodes = [name.removeprefix("node/") for name in names or ()]
        before = _tried(client)
        order: dict[str, Any] = {"nodes": nodes, "labelSelector": selector or ""}
        ordered = client.post("/api/v1/attest", order)
        for name, why in ordered["skipped"].items():
            say(f"{name}: {why}")
        if not ordered["asked"]:
            raise _nobody()
        if not wait:
            say(f"{len(ordered['asked'])} asked; see: iolaus get attestations")
            return
        rows = _answers(client, set(ordered["asked"]), before)
    print_list(ATTESTATION, rows, output)
    if any(row["summary"] not in ("trusted", "verified") for row in rows):
        raise typer.Exit(5)


def _enrol(client: Client, name: str, *, yes: bool) -> None:
    confirm(f"let who answers as {name} now be it from now on?", "enrol", yes=yes, subject=name)
    row = flat(client.post(f"{PATH}/{quote(name, safe='')}/enrol", {}))
    say(f"{name} is enrolled with the key {row['pin'][:16]}...")


def _tried(client: Client) -> dict[str, str | None]:
    return {row["id"]: row["tried_at"] for row in client.pages(PATH)}


def _answers(client: Client, nodes: set[str], before: dict[str, str | None]) -> list[Flat]:
    """The verdicts of these nodes once each was tried again; what there is when patience ends."""
    until = time.monotonic() + WAIT_S
    while True:
        rows = [row for row in client.pages(PATH) if row["node"] in nodes]
        old = [r for r in rows if r["id"] in before and r["tried_at"] == before[r["id"]]]
        told = {row["node"] for row in rows}
        if (nodes <= told and not old) or time.monotonic() > until:
            if old or nodes - told:
                say(f"{len(old) + len(nodes - told)} did not answer within {WAIT_S:.0f} s")
            return rows
        time.sleep(LOOK_S)


def _nobody() -> OperatorMust:
    return OperatorMust(
        "nothing that is meant can attest",
        operation="attest",
        subject="nodes",
        code="NobodyToAsk",
        next_step="see who can: iolaus get attestations",
    )
