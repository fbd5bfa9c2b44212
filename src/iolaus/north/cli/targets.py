"""`power target`: what people ask of the whole site's power for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from iolaus.fleet.window import parse_duration
from iolaus.north.cli.ask import UrlOption, YesOption, confirm, path_of
from iolaus.north.cli.cells import text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.power import ReasonOption, parse_watts
from iolaus.north.cli.render import say
from iolaus.north.kinds import BY_NAME

SITE: Final = BY_NAME["sitepower"]
PATH: Final = "/api/v1/loadtargets"
PERSON: Final = "person/"
NameOption = Annotated[str, typer.Option("--name", help="To change or end it by.")]


def target_set(
    watts: Annotated[str, typer.Argument(metavar="WATTS", show_default=False)],
    reason: ReasonOption,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, as in 30m or 2h.")
    ] = "2h",
    in_: Annotated[
        str, typer.Option("--in", metavar="DURATION", help="From when on, as in 10m.")
    ] = "0s",
    name: NameOption = "person",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Have the whole site draw no more than so many watts for a while.

    It is walked to with the ramps of the policy and counts beside the grid's
    targets: the lowest holds. It is held where the policy says control.

    Example: iolaus power target set 800kW --in 10m --for 2h --reason "transformer 2 is serviced"
    """
    limit_w, in_s, for_s = parse_watts(watts), parse_duration(in_), parse_duration(for_)
    told = f"the site at {limit_w:g} W in {in_} for {for_}"
    if dry_run:
        say(f"would hold {told}")
        return
    confirm(f"hold {told}?", "power target set", yes=yes, subject="the site")
    wish = {"name": name, "limit_w": limit_w, "in_s": in_s, "for_s": for_s, "reason": reason}
    with Client(url) as client:
        row = flat(client.post(PATH, {"spec": wish}))
    fate = "" if row["mode"] == "control" else f"; the policy says {row['mode']}: it is not held"
    say(f"target {name} is set{fate}; see: iolaus power target list")


def target_list(url: UrlOption = None) -> None:
    """Show the load targets of the grid and of people, and how the site stands to them.

    Example: iolaus power target list
    """
    with Client(url) as client:
        row = flat(client.get(path_of(SITE, "site")))
    limit = "no limit but its own" if row["limit_w"] is None else f"{row['limit_w']:g} W"
    say(f"the loop is {row['loop']} ({row['mode']}), the site may draw {limit}")
    for each in row["targets"]:
        say(_line(each))
    if not row["targets"]:
        say("nobody asks it to draw less")


def target_clear(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """End a load target that a person set; the grid's are the grid's to end.

    Example: iolaus power target clear person
    """
    name = name.removeprefix(PERSON)
    if dry_run:
        say(f"would end the target {name}")
        return
    with Client(url) as client:
        client.delete(f"{PATH}/{name}")
    say(f"target {name} is ended")


def _line(each: Flat) -> str:
    late = ", not reached yet" if each["late"] else ""
    by = f", by {each['by']}" if each["by"] else ""
    return (
        f"  {each['name']}: {each['limit_w']:g} W from {each['begins']} to {text(each['ends'])}"
        f"{late}{by}"
    )


TARGET_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "set": target_set,
    "list": target_list,
    "clear": target_clear,
}
