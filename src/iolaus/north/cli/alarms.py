"""`alarm`: what a person answers to alarms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iolaus.fleet.route_files import read_alarms
from iolaus.fleet.window import parse_duration
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.alarm_files import said_of
from iolaus.north.cli.ask import SelectorOption, UrlOption, YesOption, confirm, fetch, path_of
from iolaus.north.cli.cells import column, text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.reading import read_or_complain
from iolaus.north.cli.render import print_json, print_table, say
from iolaus.north.kinds import BY_NAME

ALARM: Final = BY_NAME["alarm"]
Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[ALARM]...", help="NAME:CODE, as iolaus get alarms shows it.", show_default=False
    ),
]
NoteOption = Annotated[str, typer.Option("--note", help="What the next shift should know.")]


def ack(
    names: Names = None,
    selector: SelectorOption = None,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Say that alarms were seen and are looked after. They stand until what they tell of is over.

    Examples: iolaus alarm ack h1-r07-u12:DeviceSilent; iolaus alarm ack -l rack=h1-r07
    """
    _answer("acknowledge", names, selector, {"note": note}, dry_run=dry_run, yes=yes, url=url)


def shelve(
    names: Names = None,
    selector: SelectorOption = None,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, as in 30m or 2h.")
    ] = "2h",
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Put alarms out of sight for a time; then they ring again if they still hold.

    Example: iolaus alarm shelve h1-r07-u12:DeviceSilent --for 4h --note "board is replaced"
    """
    body = {"note": note, "for_s": parse_duration(for_)}
    _answer("shelve", names, selector, body, dry_run=dry_run, yes=yes, url=url)


def unshelve(
    names: Names = None,
    selector: SelectorOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Bring shelved alarms back into sight before their time.

    What is shelved: iolaus get suppressions.

    Example: iolaus alarm unshelve h1-r07-u12:DeviceSilent
    """
    _answer("unshelve", names, selector, {}, dry_run=dry_run, yes=yes, url=url)


def reset(
    names: Names = None,
    selector: SelectorOption = None,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Let latched alarms go: their condition is over and somebody looked on site.

    An alarm that is latched and was not acknowledged is acknowledged first. One that
    a reflex holds ends with its latch: iolaus latch release RACK.

    Example: iolaus alarm reset h1-r07-u12:LeakDetected --note "dry, hose replaced"
    """
    _answer("reset", names, selector, {"note": note}, dry_run=dry_run, yes=yes, url=url)


def remove(
    names: Names = None,
    selector: SelectorOption = None,
    note: NoteOption = "",
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Take alarms out of service until they are restored: for repairs that take days.

    Example: iolaus alarm remove h1-r07-u12:DeviceSilent --note "board is with its maker"
    """
    _answer("remove", names, selector, {"note": note}, dry_run=dry_run, yes=yes, url=url)


def restore(
    names: Names = None,
    selector: SelectorOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Take alarms back into service.

    What is out of it: iolaus get suppressions.

    Example: iolaus alarm restore h1-r07-u12:DeviceSilent
    """
    _answer("restore", names, selector, {}, dry_run=dry_run, yes=yes, url=url)


def _answer(
    step: str,
    names: Sequence[str] | None,
    selector: str | None,
    more: Mapping[str, Any],
    *,
    dry_run: bool,
    yes: bool,
    url: str | None,
) -> None:
    given = [each.removeprefix("alarm/").removeprefix("al/") for each in names or ()]
    if not given and not selector:
        raise OperatorMust(
            "nothing is named",
            operation=step,
            subject="alarms",
            code="NothingNamed",
            next_step="name alarms (iolaus get alarms), or select them with -l.",
        )
    with Client(url) as client:
        rows = list(fetch(client, ALARM, given, selector=selector))
        if dry_run:
            for row in rows:
                say(f"would {step} {row['name']} ({row['state']})")
            return
        sure = yes or len(rows) <= 1
        confirm(f"{step} {len(rows)} alarms?", step, yes=sure, subject="alarms")
        for row in rows:
            body = {"step": step, **{k: v for k, v in more.items() if v}}
            _tell(flat(client.post(f"{path_of(ALARM, row['name'])}/answer", body)))


def _tell(row: Flat) -> None:
    until = f" until {row['shelved_until']}" if row["shelved_until"] else ""
    say(f"{row['name']} {row['state']}{text(until)}")


def list_receivers(
    output: Annotated[str, typer.Option("-o", "--output", metavar="table|json")] = "table",
    url: UrlOption = None,
) -> None:
    """List who is told of alarms, what waits for them, and what went wrong.

    Example: iolaus alarm route list
    """
    with Client(url) as client:
        rows = client.get("/api/v1/alarm-receivers")["items"]
    if output == "json":
        print_json({"kind": "AlarmReceiverList", "items": rows})
    else:
        print_table(RECEIVERS, rows)


def try_receiver(
    receiver: Annotated[str, typer.Argument(metavar="RECEIVER", show_default=False)],
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Send a receiver an alarm that is over at once: whether it gets through, and is taken.

    Example: iolaus alarm route test on-call
    """
    if dry_run:
        say(f"would send a test to {receiver}")
        return
    with Client(url) as client:
        took = client.post("/api/v1/alarm-receivers/test", {"receiver": receiver})
    say(f"{took['name']} took it ({took['url']})")


def check_routes(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, show_default=False)
    ],
) -> None:
    """Check a file of alarms (alarms.yaml) without a server, every complaint with its place."""
    say(said_of(read_or_complain(file, read_alarms)))


RECEIVERS: Final = (
    column("NAME", "name"),
    column("KIND", "kind"),
    column("URL", "url"),
    column("WAITING", "waiting"),
    column("SENT", "sent_at"),
    column("ERROR", "error"),
)
ROUTE_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "list": list_receivers,
    "test": try_receiver,
    "check": check_routes,
}
ALARM_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "ack": ack,
    "reset": reset,
    "shelve": shelve,
    "unshelve": unshelve,
    "remove": remove,
    "restore": restore,
}
