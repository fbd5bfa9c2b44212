"""Looking: `get`, `watch`, `describe`, `explain`, `events`, `top`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

import msgspec
import typer
import yaml

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.alarm_table import below_causes
from iolaus.north.cli.ask import (
    KindWord,
    Names,
    OutputOption,
    SelectorOption,
    UrlOption,
    fetch,
    path_of,
    read_kind,
)
from iolaus.north.cli.cells import Column, at, text, watts
from iolaus.north.cli.cells import age as age_cell
from iolaus.north.cli.client import Client, Flat
from iolaus.north.cli.columns import GROUP_COLUMNS, columns_of
from iolaus.north.cli.describe import describe_text
from iolaus.north.cli.explain import explain_text
from iolaus.north.cli.render import (
    Lines,
    Output,
    print_csv,
    print_json,
    print_list,
    print_one,
    print_table,
    say,
    write,
)
from iolaus.north.kinds import BY_NAME, Kind, Source, find_kind

ALARM = BY_NAME["alarm"]
EVENT = BY_NAME["event"]
EDGE = BY_NAME["edge"]
ByOption = Annotated[
    str | None,
    typer.Option("--by", metavar="node|rack|row|hall|all", help="Count attestations by place."),
]
WatchOption = Annotated[bool, typer.Option("-w", "--watch", help="Stay and print changes.")]


def get(
    kind: KindWord,
    names: Names = None,
    selector: SelectorOption = None,
    output: OutputOption = Output.TABLE,
    watch: WatchOption = False,
    by: ByOption = None,
    url: UrlOption = None,
) -> None:
    """List objects, or get some by name.

    Examples: iolaus get nodes -l rack=h1-r07,health!=OK -o wide;
    iolaus get node/h1-r07-u12 -o json; iolaus get attestations --by rack
    """
    found, given = read_kind(kind, names)
    if by is not None:
        _grouped(found, given, by, selector=selector, output=output, url=url)
        return
    with Client(url) as client:
        if watch:
            follow(client, found, given, selector=selector, output=output)
            return
        rows = list(fetch(client, found, given, selector=selector))
    if len(given) == 1:
        print_one(found, rows[0], output)
        return
    if not rows and output in (Output.TABLE, Output.WIDE):
        say(_nothing(found, selector))
        return
    more = list[str]()
    if found is ALARM and output in (Output.TABLE, Output.WIDE):
        rows, more = below_causes(rows, whole=output is Output.WIDE)
    print_list(found, rows, output)
    for line in more:
        say(line)


def _grouped(
    kind: Kind, names: list[str], by: str, *, selector: str | None, output: Output, url: str | None
) -> None:
    """Verdicts counted by a place."""
    if kind.source is not Source.ATTESTATION:
        raise OperatorMust(
            f"{kind.plural} are not counted by anything",
            operation="get",
            subject=f"{kind.plural} --by {by}",
            code="BadGroup",
            next_step="use --by with attestations.",
        )
    wanted = ",".join(filter(None, [selector, *names])) or None
    with Client(url) as client:
        told = client.get("/api/v1/attestation-groups", by=by, labelSelector=wanted)
    rows = told["items"]
    if output is Output.JSON:
        print_json({"kind": told["kind"], "items": rows})
    elif output is Output.YAML:
        write(yaml.safe_dump({"kind": told["kind"], "items": rows}, sort_keys=False))
    elif output is Output.NAME:
        write("".join(f"{row['name']}\n" for row in rows))
    elif output is Output.CSV:
        print_csv(GROUP_COLUMNS, rows)
    elif not rows:
        say(_nothing(kind, wanted))
    else:
        print_table(GROUP_COLUMNS, rows)


def watch(
    kind: KindWord,
    names: Names = None,
    selector: SelectorOption = None,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Print objects as they change; Ctrl-C ends it.

    Example: iolaus watch nodes -l health!=OK
    """
    found, given = read_kind(kind, names)
    with Client(url) as client:
        follow(client, found, given, selector=selector, output=output)


def follow(
    client: Client, kind: Kind, names: list[str], *, selector: str | None, output: Output
) -> None:
    """One line for each change, for as long as the server stays."""
    word = Column(title="CHANGE", cell=lambda row: str(row["_change"]).ljust(len("MODIFIED")))
    lines = Lines([word, *columns_of(kind, wide=output is Output.WIDE)])
    header = output in (Output.TABLE, Output.WIDE)
    wanted = ",".join(filter(None, [selector, *names])) or None
    for change, row in client.watch(path_of(kind), labelSelector=wanted):
        if output is Output.JSON:
            write(_line(change, row))
        elif output is Output.NAME:
            write(f"{kind.name}/{row['id']}\n")
        else:
            write(lines.add([{**row, "_change": change}], header=header))
            header = False


def _line(change: str, row: Flat) -> str:
    return msgspec.json.encode({"type": change, "object": row}).decode() + "\n"


def describe(
    kind: KindWord,
    names: Names = None,
    selector: SelectorOption = None,
    url: UrlOption = None,
) -> None:
    """Show everything of an object: conditions with their next step, parts, events.

    Example: iolaus describe node h1-r07-u12
    """
    found, given = read_kind(kind, names)
    with Client(url) as client:
        rows = list(fetch(client, found, given, selector=selector))
        if not rows:
            say(_nothing(found, selector))
        for number, row in enumerate(rows):
            write(("\n" if number else "") + describe_text(client, found, row))


def explain(
    path: Annotated[str, typer.Argument(metavar="KIND[.FIELD]", show_default=False)],
) -> None:
    """Say what the fields of a kind mean.

    Examples: iolaus explain node; iolaus explain node.firmware.version
    """
    head, *fields = path.split(".")
    write(explain_text(find_kind(head), fields))


def events(
    watch: WatchOption = False,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="15m, 2h, or a time.")
    ] = None,
    selector: SelectorOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 100,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Print what happened, the newest last.

    Example: iolaus events --since 1h -l severity=Critical -w
    """
    query = {"labelSelector": selector, "since": since}
    with Client(url) as client:
        rows = list(client.pages(path_of(EVENT), most=limit, **query))[::-1]
        if output in (Output.TABLE, Output.WIDE) and not rows and not watch:
            say("no events" + (f" since {since}" if since else ""))
        elif rows or not watch:
            print_list(EVENT, rows, output)
        if watch:
            _follow_events(client, query, seen={row["id"] for row in rows}, output=output)


def _follow_events(
    client: Client, query: Mapping[str, str | None], *, seen: set[str], output: Output
) -> None:
    lines = Lines(columns_of(EVENT, wide=output is Output.WIDE))
    for _, row in client.watch(path_of(EVENT), **query):
        if row["id"] not in seen:
            is_json = output is Output.JSON
            write(_line("ADDED", row) if is_json else lines.add([row]))


SORTS = {
    "power": ("node_power_w", "power_w"),
    "temperature": ("inlet_temperature_c", "inlet_c"),
    "age": ("age_s", "age_s"),
}
OF_EDGES: Final = {"swing": "swing_w", "headroom": "headroom_w"}
TOP_EDGES = (
    Column(title="NAME", cell=lambda row: text(row["name"])),
    Column(title="POWER", cell=watts("measured_w"), right=True),
    Column(title="SWING", cell=watts("swing_w"), right=True),
    Column(title="HEADROOM", cell=watts("headroom_w"), right=True),
    Column(title="LIMIT", cell=watts("limit_w"), right=True),
    Column(title="GRANTED", cell=watts("granted_w"), right=True),
    Column(title="STATE", cell=lambda row: text(row["state"])),
)
TOP_NODES = (
    Column(title="NAME", cell=lambda row: text(row["name"])),
    Column(title="POWER", cell=watts("readings.node_power_w"), right=True),
    Column(title="CAP", cell=watts("power_limit_w"), right=True),
    Column(
        title="INLET_C",
        cell=lambda row: text(at(row, "readings.inlet_temperature_c")),
        right=True,
    ),
    Column(title="HEALTH", cell=lambda row: text(row.get("health") or "Unknown")),
    Column(title="AGE", cell=age_cell, right=True),
)


def top(
    kind: Annotated[str, typer.Argument(metavar="nodes|racks")] = "nodes",
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="power|temperature|age|swing|headroom",
            help="Highest first; of headroom the least. Swing and headroom are of racks.",
        ),
    ] = "power",
    selector: SelectorOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="So many lines.")] = 20,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Show who draws, swings, heats or ages most.

    Example: iolaus top racks --sort temperature
    """
    found = find_kind(kind)
    if found.name == "rack" and sort in OF_EDGES:
        _top_edges(sort, selector, limit, output, url)
        return
    if found.name not in ("node", "rack") or sort not in SORTS:
        raise OperatorMust(
            f"cannot sort {found.plural} by {sort}",
            operation="top",
            subject=f"{kind} --sort {sort}",
            code="BadSort",
            next_step=f"use nodes or racks, and --sort {'|'.join(SORTS)}; racks also "
            f"{'|'.join(OF_EDGES)}.",
        )
    path = SORTS[sort][0 if found.name == "node" else 1]
    path = f"readings.{path}" if found.name == "node" and sort != "age" else path
    with Client(url) as client:
        rows = list(fetch(client, found, [], selector=selector))
    rows.sort(key=lambda row: _rank(at(row, path)), reverse=True)
    rows = rows[:limit]
    if output is Output.TABLE and found.name == "node":
        print_table(TOP_NODES, rows)
    else:
        print_list(found, rows, output)


def _top_edges(
    sort: str, selector: str | None, limit: int, output: Output, url: str | None
) -> None:
    with Client(url) as client:
        rows = list(fetch(client, EDGE, [], selector=selector))
    known = [row for row in rows if row[OF_EDGES[sort]] is not None]
    known.sort(key=lambda row: row[OF_EDGES[sort]], reverse=sort == "swing")
    rows = [*known, *(row for row in rows if row[OF_EDGES[sort]] is None)][:limit]
    if output is Output.TABLE:
        print_table(TOP_EDGES, rows)
    else:
        print_list(EDGE, rows, output)


def _rank(value: object) -> float:
    return value if isinstance(value, int | float) else float("-inf")


def summary(output: OutputOption = Output.TABLE, url: UrlOption = None) -> None:
    """Count everything: endpoints, health, power, leaks.

    Example: iolaus summary -o json
    """
    with Client(url) as client:
        found = client.get("/api/v1/summary")
    if output is not Output.TABLE:
        print_json(found["status"])
        return
    for name, value in found["status"].items():
        if isinstance(value, dict):
            value = "  ".join(f"{k}={text(v)}" for k, v in value.items()) or "-"
        write(f"{name.replace('_', ' '):18} {text(value)}\n")


def _nothing(kind: Kind, selector: str | None) -> str:
    if selector:
        return f"no {kind.plural} match {selector}"
    if kind.source is Source.EDGE:
        return "no rack has a node with a cap; a node's rack is its label `rack` (docs/edge.md)"
    if kind.source is Source.CANDIDATE:
        return "nobody is expected or appeared; begin with a list: docs/onboarding.md"
    if kind.source is Source.EXPECTED:
        return "no hardware is expected; write a list: docs/onboarding.md"
    if kind.source is Source.RETIREMENT:
        return "no node was retired"
    if kind.source is Source.POINT:
        return "no building is joined, or it has told of no point yet; docs/building.md"
    if kind.source is Source.POWER_CAP:
        return "nobody has set a cap"
    if kind.source in (Source.POWER_POLICY, Source.POWER_CHANGE):
        return f"no {kind.plural} yet; docs/power.md says how power is held: iolaus apply FILE"
    if kind.source in (Source.PLAN, Source.ROLLOUT):
        return f"no {kind.plural} yet; make a plan with: iolaus plan BASELINE"
    if kind.source is Source.RECOVERY:
        return "nobody had a node recovered; see what ails one with: iolaus describe node/NAME"
    if kind.source is Source.DRAIN:
        return "no node is drained, or on its way there"
    if kind.source in (Source.ADVISORY, Source.REFERENCE):
        return f"no {kind.plural} yet; bring some in with: iolaus {kind.name} import FILE"
    if kind.source is Source.PLANT:
        return "nothing is known of the plant yet; docs/power.md says how it is written down"
    if kind.source is Source.BASELINE:
        return f"no {kind.plural} yet; begin with: iolaus export baseline NODE -o good.yaml"
    if kind.source is Source.ATTESTATION:
        return f"no {kind.plural}: nothing that is known can attest"
    return f"no {kind.plural} yet; find some with: iolaus discover 10.0.0.0/24"
