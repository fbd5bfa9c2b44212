"""`power cap`, `latch` and `isolate`: what a person asks of the loop that holds a rack's power."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final

import typer

from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import OutputOption, UrlOption, YesOption, confirm, fetch, path_of
from iolaus.north.cli.cells import second, text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import Output, print_list, say
from iolaus.north.kinds import BY_NAME

EDGE: Final = BY_NAME["edge"]
CAP: Final = BY_NAME["powercap"]
_WATTS: Final = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*(W|kW|MW)?", re.IGNORECASE)
_SCALE: Final = {"": 1.0, "w": 1.0, "kw": 1e3, "mw": 1e6}
Subject = Annotated[
    str,
    typer.Argument(
        metavar="NODE|RACK", help="As iolaus get edges -o wide names them.", show_default=False
    ),
]
ReasonOption = Annotated[
    str, typer.Option("--reason", help="Why; it stands in the audit log.", show_default=False)
]


def cap_set(
    subject: Subject,
    watts: Annotated[
        str, typer.Argument(metavar="WATTS", help="As in 2500, 60kW or 1.2MW.", show_default=False)
    ],
    reason: ReasonOption,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, as in 30m or 2h.")
    ] = "2h",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Hold a node or a rack at so many watts for a while, never below its floor.

    Devices are written to in every mode of the policy. A cap that was set before
    on the same node or rack is replaced.

    Example: iolaus power cap set h1-r07 60kW --for 2h --reason "feed b is serviced"
    """
    given = {
        "subject": subject,
        "watts": parse_watts(watts),
        "for_s": parse_duration(for_),
        "reason": reason,
    }
    if dry_run:
        say(f"would hold {subject} at {given['watts']:g} W for {for_}")
        return
    confirm(
        f"hold {subject} at {given['watts']:g} W for {for_}?", "power cap set", yes=yes,
        subject=subject,
    )  # fmt: skip
    with Client(url) as client:
        row = flat(client.post(path_of(CAP), {"spec": given}))
    say(
        f"{row['name']} is held at {row['watts']:g} W until {second(row['until'])}; "
        "whether it is kept: iolaus power cap list"
    )


def cap_list(
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Show the caps that people set, until when, and whether they are kept; if not, why.

    Example: iolaus power cap list
    """
    with Client(url) as client:
        rows = list(fetch(client, CAP, [], selector=None))
    if not rows and output is Output.TABLE:
        say("nobody has set a cap")
        return
    print_list(CAP, rows, output)


def cap_clear(
    subject: Subject,
    as_it_is: Annotated[
        bool,
        typer.Option("--as-it-is", help="Put nothing back: for machines that are gone."),
    ] = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """End a cap before its time; where no loop holds the rack, what was before is put back.

    Example: iolaus power cap clear h1-r07
    """
    if dry_run:
        say(f"would end the cap on {subject}")
        return
    with Client(url) as client:
        client.delete(path_of(CAP, subject), restore="false" if as_it_is else None)
    say(f"{subject} is held no more{'; what is in force there stays' if as_it_is else ''}")


def release(
    subject: Subject,
    reason: ReasonOption,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Release what reflexes latched in a rack, or of a node alone. Nothing is switched on by it.

    It is refused while the cause is still read; iolaus describe edge/RACK says what
    that is. Afterwards a person switches on what was cut: iolaus power on NODE.

    Example: iolaus latch release h1-r07 --reason "hose replaced, dry, WO 4711"
    """
    with Client(url) as client:
        edge = _edge_of(client, subject)
        node = "" if subject == edge["name"] else subject
        latched = [each["name"] for each in edge["latched"] if not node or node in each["nodes"]]
        if dry_run:
            say(f"would release {', '.join(latched) or 'nothing'}")
            return
        confirm(
            f"release {', '.join(latched)}?", "release", yes=yes or not latched, subject="latches"
        )
        body = {"reason": reason, **({"node": node} if node else {})}
        row = flat(client.post(f"{path_of(EDGE, edge['name'])}/release", body))
    left = ", ".join(each["name"] for each in row["latched"])
    say(f"{subject} is released; still latched in {row['name']}: {text(left)}")


def isolate(
    rack: Annotated[str, typer.Argument(metavar="RACK", show_default=False)],
    reason: ReasonOption,
    release: Annotated[
        bool, typer.Option("--release", help="Have it given back; switches nothing on.")
    ] = False,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Ask the building to cut a rack off: electrically, then its liquid.

    Machines that run there are not shut down before: iolaus power off does that.
    With --release it is asked to give the rack back, liquid first; release what is
    latched there before (iolaus latch release). Without a building system nothing
    is done, and that is said.

    Examples: iolaus isolate h1-r07 --reason "leak at the manifold"; iolaus isolate
    h1-r07 --release --reason "hose replaced, dry"
    """
    if release:
        _give_back(rack, reason, dry_run=dry_run, yes=yes, url=url)
        return
    if dry_run:
        say(f"would ask the building to isolate {rack}")
        return
    confirm(
        f"cut {rack} off, electrically and then its liquid? Machines that run there go dark.",
        "isolate", yes=yes, subject=rack,
    )  # fmt: skip
    with Client(url) as client:
        client.post(f"{path_of(EDGE, rack)}/isolate", {"reason": reason})
    say(f"the building was asked to isolate {rack}; what it said: iolaus describe edge/{rack}")


def _give_back(rack: str, reason: str, *, dry_run: bool, yes: bool, url: str | None) -> None:
    if dry_run:
        say(f"would ask the building to give {rack} back")
        return
    confirm(
        f"give {rack} back: open its liquid, then close its breaker? Machines that start by "
        "themselves when they have power will.", "isolate --release", yes=yes, subject=rack,
    )  # fmt: skip
    with Client(url) as client:
        client.post(f"{path_of(EDGE, rack)}/unisolate", {"reason": reason})
    say(f"the building was asked to give {rack} back; see: iolaus events -l type=IsolationReleased")


def parse_watts(word: str) -> float:
    """60kW, 2500, 1.2 MW. Raises `OperatorMust`."""
    found = _WATTS.fullmatch(word.strip())
    watts = float(found[1]) * _SCALE[(found[2] or "").lower()] if found else 0.0
    if watts <= 0:
        raise OperatorMust(
            "that is no power",
            operation="set cap",
            subject=word,
            code="BadWatts",
            next_step="write watts as in 2500, 60kW or 1.2MW.",
        )
    return watts


def _edge_of(client: Client, subject: str) -> Flat:
    rows = list(fetch(client, EDGE, [], selector=None))
    for row in rows:
        if subject == row["name"] or subject in row["nodes"]:
            return row
    raise OperatorMust(
        "it is no rack with an edge, and no node in one",
        operation="release latch",
        subject=subject,
        code="NoSuchEdge",
        next_step="name one of: iolaus get edges",
    )


CAP_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "set": cap_set,
    "list": cap_list,
    "clear": cap_clear,
}
LATCH_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {"release": release}
