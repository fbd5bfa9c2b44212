"""`quarantine`: a plan that takes nodes out of work, for those of which somebody cannot be sure."""

from __future__ import annotations

from typing import Annotated

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
from iolaus.north.cli.client import Client
from iolaus.north.cli.render import Output


def quarantine(
    names: NODES = None,
    untrusted: Annotated[
        bool,
        typer.Option("--untrusted", help="All nodes of which a component was proved untrusted."),
    ] = False,
    selector: SelectorOption = None,
    rules: RulesOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan to give nodes no more work, until somebody takes that back.

    The power stays as it is unless policy says otherwise. Examples: iolaus quarantine h1-r07-u12;
    iolaus quarantine --untrusted -l rack=h1-r07; iolaus rollout undo PLAN gives them back
    """
    named = list(names or ())
    if untrusted:
        if named:
            raise OperatorMust(
                "nodes by name, and all that are untrusted",
                operation="quarantine",
                subject="nodes",
                code="BadUsage",
                next_step="name nodes, or give --untrusted.",
            )
        named = _untrusted(url)
    ask_nodes(
        "quarantine",
        {},
        named,
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


def _untrusted(url: str | None) -> list[str]:
    with Client(url) as client:
        path = "/api/v1/attestation-groups"
        told = client.get(path, by="node", labelSelector="standing=untrusted")
    found = [row["name"] for row in told["items"]]
    if not found:
        raise OperatorMust(
            "no component was proved untrusted",
            operation="quarantine",
            subject="nodes",
            code="NothingUntrusted",
            next_step="see what is known with: iolaus get attestations",
        )
    return found
