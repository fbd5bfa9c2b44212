"""`recover` and `bundle`: a node is brought back, and what is kept of it is handed out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.model.reach import Verdict
from iolaus.model.recovery import RungName
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, path_of
from iolaus.north.cli.asking import NODES, BatchOption, DryRunOption, YesOption, ask_nodes
from iolaus.north.cli.client import Client
from iolaus.north.cli.render import Output, say
from iolaus.north.kinds import NODE

CLASSES: Final = "|".join(
    each.value
    for each in Verdict
    if not each.of_many and each not in (Verdict.WELL, Verdict.UNKNOWN, Verdict.SUPPLY_FAILED)
)


def recover(
    names: NODES = None,
    selector: SelectorOption = None,
    class_: Annotated[
        str | None,
        typer.Option("--class", metavar=CLASSES, help="What it is [default: as it is judged]."),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option("--only", metavar="RUNG", help=f"One of {', '.join(RungName)}."),
    ] = None,
    rescue: Annotated[
        bool, typer.Option("--rescue", help="Start it from the policy's image if nothing helps.")
    ] = False,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="FILE",
            help="Of images/; pushed to what is broken [default: "
            "the one that brings back what ran before].",
        ),
    ] = None,
    host_may_stop: Annotated[
        bool, typer.Option("--host-may-stop", help="Its host may go down, though it is alive.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", help="Only plan it; as without --yes.")] = False,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan the way back of nodes that hang, are silent or do not run; with --yes, take it.

    What it can still tell is saved first, then rung after rung is tried, softest first, until it is
    back or a person is needed. Examples: iolaus recover h1-r07-u12; iolaus recover h1-r07-u12 -y
    """
    arguments = {
        "class": class_,
        "only": only,
        "rescue": rescue or None,
        "image": image,
        "host_may_stop": host_may_stop or None,
    }
    ask_nodes(
        "recover",
        {name: value for name, value in arguments.items() if value is not None},
        names,
        selector=selector,
        batch=batch,
        dry_run=dry_run,
        yes=yes and not plan,
        output=output,
        url=url,
    )


def bundle(
    node: Annotated[str, typer.Argument(metavar="NODE", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="[default: NODE.zip]")
    ] = None,
    dumps: Annotated[
        bool,
        typer.Option("--dumps", help="With what its controller packed: nobody looked into it."),
    ] = False,
    url: UrlOption = None,
) -> None:
    """Write a support bundle of a node: logs, sensors, versions, recoveries; without secrets.

    Example: iolaus bundle h1-r07-u12
    """
    name = node.removeprefix("node/").removeprefix("no/")
    path = output or Path(f"{name}.zip")
    with Client(url) as client:
        query = "?dumps=true" if dumps else ""
        data = client.get_bytes(f"{path_of(NODE, name)}/bundle{query}")
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OperatorMust(
            f"it cannot be written: {error}",
            operation="bundle",
            subject=str(path),
            code="NotWritten",
            next_step="give another place with -o FILE.",
        ) from None
    say(f"wrote {path} ({len(data):,} bytes)")
