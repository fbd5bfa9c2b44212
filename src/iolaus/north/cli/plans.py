"""Plans on the command line: `plan`, `approve`, `apply plan/ID`, `rollout`.

A plan is named by its id alone: what was read, approved and applied is the same to the last byte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import (
    OutputOption,
    SelectorOption,
    UrlOption,
    YesOption,
    confirm,
    path_of,
)
from iolaus.north.cli.client import Client, flat
from iolaus.north.cli.describe import describe_text
from iolaus.north.cli.energy import PREFIX as CHANGE
from iolaus.north.cli.energy import approve_change
from iolaus.north.cli.follow import Moment, follow, moment
from iolaus.north.cli.look import WatchOption, get
from iolaus.north.cli.render import Output, print_one, say, write
from iolaus.north.kinds import BY_NAME

PLAN: Final = BY_NAME["plan"]
ROLLOUT: Final = BY_NAME["rollout"]
PREFIX: Final = "plan/"
Ident = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
WaitOption = Annotated[
    bool, typer.Option("--wait", help="Stay until it is over or needs a person.")
]


def plan(
    baseline: Annotated[str, typer.Argument(metavar="BASELINE", show_default=False)],
    selector: SelectorOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Look at it; keep nothing.")] = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan what would bring nodes to a baseline. Nothing on any node changes by this.

    Example: iolaus plan gb300 -l rack=h1-r07
    """
    name = baseline.removeprefix("baseline/").removeprefix("bl/")
    order = {"spec": {"baseline": name, "selector": selector or ""}}
    with Client(url) as client:
        made = flat(client.post(path_of(PLAN), order, dryRun="All" if dry_run else None))
    if output in (Output.TABLE, Output.WIDE):
        write(made["text"])
    else:
        print_one(PLAN, made, output)
    for line in next_lines(made, kept=not dry_run):
        say(line)


def approve(
    plan: Annotated[str, typer.Argument(metavar="plan/ID", show_default=False)],
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="In its name [default: all that are asked and are yours]."),
    ] = None,
    url: UrlOption = None,
) -> None:
    """Approve a plan, or a change of power, that somebody else made. Read it first: describe it.

    Examples: iolaus approve plan/3f9ac0d1e2b4 --group hw-oncall; iolaus approve powerchange/ID
    """
    if plan.startswith(CHANGE):
        approve_change(plan, group or [], url=url)
        return
    name = bare(plan)
    with Client(url) as client:
        given = flat(client.post(f"{path_of(PLAN, name)}/approve", {"groups": group or []}))
    say(f"approved plan/{name}")
    for line in next_lines(given, kept=True):
        say(line)


def apply_plans(
    names: Sequence[str], *, dry_run: bool, yes: bool, wait: bool, url: str | None
) -> None:
    """Let one plan run. Raises `typer.Exit` with the roll-out's code where it is waited for."""
    if len(names) != 1 or not names[0].startswith(PREFIX):
        raise OperatorMust(
            "one plan at a time is applied, and no files beside it",
            operation="apply",
            subject=" ".join(names),
            code="BadUsage",
            next_step="iolaus apply plan/ID",
        )
    name = bare(names[0])
    with Client(url) as client:
        found = flat(client.get(path_of(PLAN, name)))
        if dry_run:
            say(f"would apply {headline(found)}")
            return
        confirm(f"apply {headline(found)}?", "apply", yes=yes, subject=f"plan/{name}")
        before = _moment_of(client, name) if found["state"] not in ("planned", "waiting") else None
        client.post(f"{path_of(PLAN, name)}/apply", {})
        say(f"applied {headline(found)}")
        maybe_wait(client, name, "apply", wait=wait, before=before)


def bare(word: str) -> str:
    """The id in `plan/ID`, `rollout/ID`, `ro/ID` or ID."""
    head, slash, rest = word.partition("/")
    return rest if slash and head in ("plan", "plans", "rollout", "rollouts", "ro") else word


def headline(row: Mapping[str, Any]) -> str:
    """plan/ID: what it does, to how many, in how many waves, for how long."""
    number, waves = row["fates"].get("update", 0), len(row["waves"])
    aside = [f"{count} {fate}" for fate, count in row["fates"].items() if fate != "update"]
    rest = f" ({', '.join(aside)})" if aside else ""
    about = f", about {_spell(row['estimate_s'])}" if row["estimate_s"] and number else ""
    what = row["asked"] or f"baseline {row['baseline']}"
    return (
        f"plan/{row['name']}: {what}, {_many(number, 'node')}{rest} "
        f"in {_many(waves, 'wave')}{about}"
    )


def next_lines(row: Mapping[str, Any], *, kept: bool) -> list[str]:
    """The plan in a line, and what comes next."""
    name, number = row["name"], row["fates"].get("update", 0)
    lines = [headline(row)]
    if not number:
        return [*lines, "nothing can be done by it" if row["fates"].get("blocked") else
                "nothing has to be done"]  # fmt: skip
    if not kept:
        return [*lines, "it is not kept (dry run)"]
    missing = [
        f"approve: iolaus approve plan/{name} --group {each['group']}   ({left} more)"
        for each in row["approvals"]
        if (left := each["needed"] - len(each["by"])) > 0
    ]
    return [*lines, *missing, f"apply:   iolaus apply plan/{name} --wait"]


def status(name: Ident, wait: WaitOption = False, url: UrlOption = None) -> None:
    """Show how a roll-out fares; with --wait until it is over.

    Example: iolaus rollout status 3f9ac0d1e2b4 --wait
    """
    name = bare(name)
    with Client(url) as client:
        row = flat(client.get(path_of(ROLLOUT, name)))
        if not wait:
            write(describe_text(client, ROLLOUT, row))
        maybe_wait(client, name, "status", wait=wait, before=None)


def pause(name: Ident, wait: WaitOption = False, url: UrlOption = None) -> None:
    """Begin nothing more; what runs goes on to its end.

    Example: iolaus rollout pause 3f9ac0d1e2b4
    """
    _ask("pause", name, wait=wait, url=url)


def resume(name: Ident, wait: WaitOption = False, url: UrlOption = None) -> None:
    """Go on. Who resumes has answered for what failed before.

    Example: iolaus rollout resume 3f9ac0d1e2b4 --wait
    """
    _ask("resume", name, wait=wait, url=url)


def abort(name: Ident, wait: WaitOption = False, url: UrlOption = None) -> None:
    """Begin nothing more, and take back what is not finished; what is done stays.

    Example: iolaus rollout abort 3f9ac0d1e2b4 --wait
    """
    _ask("abort", name, wait=wait, url=url)


def undo(
    name: Ident, wait: WaitOption = False, yes: YesOption = False, url: UrlOption = None
) -> None:
    """Take back what was done, wave after wave, within the limits of the plan.

    Example: iolaus rollout undo 3f9ac0d1e2b4 --wait
    """
    subject = f"rollout/{bare(name)}"
    confirm(f"undo all that {subject} did?", "undo", yes=yes, subject=subject)
    _ask("undo", name, wait=wait, url=url)


def list_rollouts(
    selector: SelectorOption = None,
    output: OutputOption = Output.TABLE,
    watch: WatchOption = False,
    url: UrlOption = None,
) -> None:
    """List roll-outs, as `get rollouts` does.

    Example: iolaus rollout list -l state=paused
    """
    get("rollouts", None, selector, output, watch, url)


ROLLOUT_COMMANDS: Final[Mapping[str, Callable[..., Any] | None]] = {
    "list": list_rollouts,
    "status": status,
    "pause": pause,
    "resume": resume,
    "abort": abort,
    "undo": undo,
}


def _ask(word: str, name: str, *, wait: bool, url: str | None) -> None:
    name = bare(name)
    with Client(url) as client:
        before = _moment_of(client, name)
        client.post(f"{path_of(ROLLOUT, name)}/{word}", {})
        say(f"asked rollout/{name} to {word}")
        maybe_wait(client, name, word, wait=wait, before=before)


def _moment_of(client: Client, name: str) -> Moment:
    return moment(flat(client.get(path_of(ROLLOUT, name))))


def maybe_wait(client: Client, name: str, asked: str, *, wait: bool, before: Moment | None) -> None:
    """Follow it where that was wished. Raises `typer.Exit` with the roll-out's code."""
    if not wait:
        if asked != "status":
            say(f"see it with: iolaus rollout status {name}")
        return
    if code := follow(client, name, asked=asked, before=before):
        raise typer.Exit(code)


def _many(number: int, word: str) -> str:
    return f"{number} {word if number == 1 else word + 's'}"


def _spell(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
