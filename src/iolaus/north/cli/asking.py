"""What is asked of nodes on the command line: `power`, `boot`. A plan like any other comes of it.

Without --yes the plan is made, kept and shown, and nothing changes until somebody applies it. With
--yes it is applied at once and followed to its end; a plan that needs approvals stops there and
says whose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, NoReturn

import typer

from iolaus.fleet.step_node import MODES, TARGETS
from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, path_of
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.plans import PLAN, headline, maybe_wait, next_lines
from iolaus.north.cli.render import Output, print_one, say, write

NODES = Annotated[list[str] | None, typer.Argument(metavar="[NODE]...", show_default=False)]
RulesOption = Annotated[
    str | None,
    typer.Option(
        "--rules",
        metavar="BASELINE",
        help="Whose window, limits, drain and approvals hold [default: of the nodes' baselines].",
    ),
]
BatchOption = Annotated[
    str | None, typer.Option("--batch", metavar="N|P%", help="So many at once at most.")
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Look at it; keep nothing.")]
YesOption = Annotated[
    bool, typer.Option("-y", "--yes", help="Apply it at once, and stay until it is over.")
]
GracefulOption = Annotated[bool, typer.Option("--graceful", help="Ask the host; never cut it off.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Do not ask the host.")]
PARTLY: Final = 1
"""Exit code where it was to be done and some nodes could not take part."""
_BATCH: Final = re.compile(r"[1-9][0-9]{0,5}|(?:100|[1-9]?[0-9])(?:\.[0-9]+)?%")


def ask_nodes(
    kind: str,
    arguments: Mapping[str, Any],
    names: Sequence[str] | None,
    *,
    selector: str | None,
    rules: str | None = None,
    batch: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    output: Output = Output.TABLE,
    url: str | None = None,
) -> None:
    """Plan it, show it; with `yes` apply it and wait. Raises `OperatorMust` for bad usage and
    `typer.Exit` with the roll-out's code."""
    spec: dict[str, Any] = {
        "asked": {"kind": kind, "arguments": dict(arguments)},
        "selector": _whom(kind, names, selector),
        "rules": (rules or "").removeprefix("baseline/").removeprefix("bl/"),
        "batch": _batch(kind, batch),
    }
    with Client(url) as client:
        made = flat(client.post(path_of(PLAN), {"spec": spec}, dryRun="All" if dry_run else None))
        going = made["fates"].get("update", 0)
        if yes and not dry_run and going and not _missing(made):
            _do(client, made)
            return
    if output in (Output.TABLE, Output.WIDE):
        write(made["text"])
    else:
        print_one(PLAN, made, output)
    for line in next_lines(made, kept=not dry_run):
        say(line)
    if yes and made["fates"].get("blocked"):
        raise typer.Exit(PARTLY)


def _do(client: Client, made: Flat) -> None:
    name = made["name"]
    client.post(f"{path_of(PLAN, name)}/apply", {})
    say(f"applied {headline(made)}")
    left_out = [node for node in made["nodes"] if node["fate"] == "blocked"]
    for node in left_out:
        say(f"left out {node['name']}: {node['reason']}")
    maybe_wait(client, name, "apply", wait=True, before=None)
    if left_out:
        raise typer.Exit(PARTLY)


def _missing(made: Flat) -> bool:
    return any(each["needed"] > len(each["by"]) for each in made["approvals"])


def _whom(kind: str, names: Sequence[str] | None, selector: str | None) -> str:
    """Names and a selector as one selector: both must hold."""
    given = [name.removeprefix("node/").removeprefix("no/") for name in names or ()]
    parts = [",".join(given), selector or ""]
    if not any(parts):
        _wrong(kind, "nothing is named", "name nodes, or select them with -l.")
    return ",".join(part for part in parts if part)


def _batch(kind: str, text: str | None) -> int | str | None:
    if text is None:
        return None
    if not _BATCH.fullmatch(text):
        _wrong(kind, f"{text!r} is no number of nodes", "write a number, or a percentage as 10%.")
    return text if text.endswith("%") else int(text)


# --- power ------------------------------------------------------------------------------------


def _power(action: str, text: str, example: str, *, ways: bool) -> Callable[..., Any]:
    """One command of `power`: `ways` where it can be done gracefully or by force."""

    def both(
        names: NODES = None,
        selector: SelectorOption = None,
        graceful: GracefulOption = False,
        force: ForceOption = False,
        rules: RulesOption = None,
        batch: BatchOption = None,
        dry_run: DryRunOption = False,
        yes: YesOption = False,
        output: OutputOption = Output.TABLE,
        url: UrlOption = None,
    ) -> None:
        if graceful and force:
            _wrong("power", "gracefully and by force at once", "give one of the two.")
        ask_nodes(
            "power",
            {"action": action, "how": "force" if force else "graceful" if graceful else ""},
            names,
            selector=selector,
            rules=rules,
            batch=batch,
            dry_run=dry_run,
            yes=yes,
            output=output,
            url=url,
        )

    def plain(
        names: NODES = None,
        selector: SelectorOption = None,
        rules: RulesOption = None,
        batch: BatchOption = None,
        dry_run: DryRunOption = False,
        yes: YesOption = False,
        output: OutputOption = Output.TABLE,
        url: UrlOption = None,
    ) -> None:
        both(names, selector, False, False, rules, batch, dry_run, yes, output, url)

    command: Callable[..., Any] = both if ways else plain
    command.__doc__ = f"{text}\n\nExample: iolaus power {action} {example}"
    return command


POWER_COMMANDS: Final[Mapping[str, Callable[..., Any] | None]] = {
    "on": _power("on", "Plan to power hosts on.", "h1-r07-u12 --yes", ways=False),
    "off": _power("off", "Plan to shut hosts down, or cut them off.", "-l rack=h1-r07", ways=True),
    "cycle": _power("cycle", "Plan to put hosts off and on again.", "h1-r07-u12", ways=True),
    "reset": _power("reset", "Plan to restart hosts.", "h1-r07-u[01-18] --batch 2", ways=True),
    "nmi": _power(
        "nmi",
        "Plan to send hosts an NMI: a kernel that hangs writes its dump.",
        "h1-r07-u12 --yes",
        ways=False,
    ),
    "mains": _power(
        "mains", "Plan to take the mains away and give it back.", "h1-r07-u12", ways=False
    ),
}


# --- boot -------------------------------------------------------------------------------------


def boot_set(
    names: NODES = None,
    once: Annotated[
        str | None,
        typer.Option("--once", metavar="TARGET", help="At the next start only: Pxe, UefiHttp ..."),
    ] = None,
    continuous: Annotated[
        str | None,
        typer.Option("--continuous", metavar="TARGET", help="At every start until it is cleared."),
    ] = None,
    mode: Annotated[
        str | None, typer.Option("--mode", metavar="MODE", help="UEFI or Legacy.")
    ] = None,
    uefi_target: Annotated[
        str | None,
        typer.Option("--uefi-target", metavar="PATH", help="Device path, for UefiTarget."),
    ] = None,
    http_uri: Annotated[
        str | None,
        typer.Option(
            "--http-uri", metavar="URL", help="What UefiHttp fetches; by itself: once. Else DHCP."
        ),
    ] = None,
    selector: SelectorOption = None,
    rules: RulesOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan what hosts start from next. It restarts nothing.

    Examples: iolaus boot set h1-r07-u12 --once Pxe --mode UEFI;
    iolaus boot set h1-r07-u12 --http-uri https://boot.example/rescue.efi
    """
    if http_uri and not continuous:
        once = once or "UefiHttp"
    target = once or continuous
    if not target or (once and continuous):
        _wrong(
            "boot",
            "what to start from, and how often, is not said",
            f"give --once or --continuous with one of: {', '.join(TARGETS)}.",
        )
    arguments = {
        "target": _cased(target, TARGETS),
        "enabled": "Once" if once else "Continuous",
        "mode": _cased(mode, MODES) if mode else None,
        "uefi_target": uefi_target,
        "http_uri": http_uri,
    }
    ask_nodes(
        "boot",
        arguments,
        names,
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


def boot_clear(
    names: NODES = None,
    selector: SelectorOption = None,
    rules: RulesOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan that hosts start in their own order again.

    Example: iolaus boot clear -l rack=h1-r07 --yes
    """
    ask_nodes(
        "boot",
        {"target": "None", "enabled": "Disabled"},
        names,
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


BOOT_COMMANDS: Final[Mapping[str, Callable[..., Any] | None]] = {
    "set": boot_set,
    "clear": boot_clear,
}


def _cased(word: str, known: Sequence[str]) -> str:
    """As Redfish writes it; what is not known is refused by the planner, which says what is."""
    return next((each for each in known if each.lower() == word.lower()), word)


def _wrong(kind: str, message: str, next_step: str) -> NoReturn:
    raise OperatorMust(
        message, operation=kind, subject="nodes", code="BadUsage", next_step=next_step
    )
