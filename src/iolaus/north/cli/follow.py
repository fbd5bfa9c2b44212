"""Waiting for a roll-out: bars on a terminal, a line for each change where it is piped.

Both are made from whole looks at the roll-out and never from what happened between two of them, so
a look that is missed loses nothing. The wait is over when a person is needed or nothing more will
happen; the roll-out never depends on anybody waiting.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from iolaus.kernel.errors import DeviceSilent, IolausError
from iolaus.north.cli.ask import path_of
from iolaus.north.cli.cells import text
from iolaus.north.cli.client import Client, Flat, ServerSilent
from iolaus.north.cli.render import STYLES, is_plain, say
from iolaus.north.kinds import BY_NAME

ROLLOUT: Final = BY_NAME["rollout"]
OVER: Final = frozenset({"done", "aborted", "undone"})
AWAY: Final = ("running", "rolling-back")
BAD: Final = ("rolled-back", "failed", "lost")
LEFT: Final = ("failed", "lost")
SHOWN: Final = 5
BAR: Final = 30
PARTIAL, NEEDS_PERSON = 1, 3
Moment = tuple[str, str | None]
"""A state and since when: another moment is another state, even of the same name."""


def moment(row: Mapping[str, Any]) -> Moment:
    return row["state"], row["since"]


def follow(client: Client, name: str, *, asked: str, before: Moment | None) -> int:
    """Wait until the roll-out is over or needs a person; the exit code. `asked` is what this
    command asked for, `before` how it was then. Raises what the server says."""
    last: Flat | None = None
    try:
        with _shown() as show:
            for row in _looks(client, name):
                show(last, row)
                last = row
                if is_over(row, before):
                    break
    except KeyboardInterrupt:
        say(f"rollout/{name} goes on without this; stop it with: iolaus rollout pause {name}")
        raise
    if last is None or not is_over(last, before):
        raise _gone(name)
    for line in ending(last, asked):
        say(line)
    return exit_code(last, asked)


def is_over(row: Mapping[str, Any], before: Moment | None) -> bool:
    """Paused only counts once nothing runs any more."""
    if moment(row) == before:
        return False
    busy = sum(row["counts"].get(word, 0) for word in AWAY)
    return row["state"] in OVER or (row["state"] == "paused" and not busy)


def exit_code(row: Mapping[str, Any], asked: str) -> int:
    """0 what was asked for, 1 in part, 3 a person is needed."""
    state, counts = row["state"], row["counts"]
    if state == "paused":
        return 0 if asked == "pause" else NEEDS_PERSON
    if state == "done":
        return PARTIAL if any(counts.get(w) for w in (*BAD, "skipped")) else 0
    wanted = {"abort": "aborted", "undo": "undone"}.get(asked)
    return PARTIAL if state != wanted or any(counts.get(w) for w in LEFT) else 0


def ending(row: Mapping[str, Any], asked: str) -> Iterator[str]:
    """How it ended, and what a person may do then."""
    name = row["name"]
    yield f"{row['total']} {'node' if row['total'] == 1 else 'nodes'}: {tally(row['counts'])}"
    if exit_code(row, asked) == NEEDS_PERSON:
        yield f"  next:  iolaus describe rollout/{name}"
        yield f"         then iolaus rollout resume {name} (or abort, and then undo)"
    elif exit_code(row, asked):
        yield f"  next:  iolaus describe rollout/{name}"


def changes(before: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterator[str]:
    """What is said of a roll-out when it was `before` and is `now`."""
    if before is None or moment(before) != moment(now):
        said = f": {text(now['reason'])}" if now["reason"] else ""
        yield f"rollout/{now['name']} {now['state']}{said}"
    known = {wave["name"]: wave for wave in before["waves"]} if before else {}
    for wave in now["waves"]:
        yield from _wave_changes(known.get(wave["name"]), wave)
    told = {(each["name"], each["state"]) for each in before["failures"]} if before else set()
    for each in reversed(now["failures"]):
        if (each["name"], each["state"]) not in told:
            yield _failed(each)
    held = {each["reason"] for each in before["holds"]} if before else set()
    for each in now["holds"]:
        if each["reason"] not in held:
            yield _hold(each)


def _wave_changes(before: Mapping[str, Any] | None, wave: Mapping[str, Any]) -> Iterator[str]:
    state, counts = wave["state"], wave["counts"]
    if state != "waiting" and (before is None or before["state"] != state):
        soak = f" for {wave['soak_s']:g} s" if state == "soaking" and wave["soak_s"] else ""
        yield f"wave {wave['name']} {state}{soak}"
    elif before is not None and before["counts"] != counts:
        yield f"wave {wave['name']}: {tally(counts)}"


def tally(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {word}" for word, number in counts.items()) or "nothing"


def picture(row: Mapping[str, Any]) -> RenderableType:
    """The roll-out for a terminal: a bar for each wave, what runs, what failed last, what holds."""
    state = Text(row["state"], style=STYLES.get(row["state"], ""))
    head = Text.assemble(f"rollout/{row['name']}  baseline {text(row['baseline'])}  ", state)
    if row["reason"]:
        head.append(f": {text(row['reason'])}")
    waves = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    for wave in row["waves"]:
        waves.add_row(*_bar(wave))
    running = [_doing(each) for each in row["running"][:SHOWN]]
    bad = [Text(f"  {_failed(each)}", style="yellow") for each in row["failures"][:SHOWN]]
    holds = [Text(f"  {_hold(each)}", style="dim") for each in row["holds"][:SHOWN]]
    more = sum(row["counts"].get(word, 0) for word in AWAY) - len(running)
    rest = [Text(f"  and {more} more", style="dim")] if more > 0 else []
    return Group(head, waves, *running, *rest, *bad, *holds)


def _bar(wave: Mapping[str, Any]) -> tuple[RenderableType, ...]:
    counts, total = wave["counts"], wave["nodes"]
    ended = total - counts.get("waiting", 0) - sum(counts.get(word, 0) for word in AWAY)
    bad = sum(counts.get(word, 0) for word in BAD)
    style = "yellow" if bad else "green"
    return (
        Text(text(wave["name"])),
        ProgressBar(
            total=max(total, 1), completed=ended, width=BAR, complete_style=style,
            finished_style=style,
        ),
        Text(f"{ended}/{total}"),
        Text(wave["state"]),
        Text(tally({w: n for w, n in counts.items() if w != "waiting"}), style="dim"),
    )  # fmt: skip


def _doing(node: Mapping[str, Any]) -> Text:
    word = "" if node["state"] == "running" else f"{node['state']}: "
    step = f"{node['steps_done']}/{node['steps']}"
    return Text(f"  {text(node['name'])}  {step}  {word}{text(node['doing'])}")


def _failed(node: Mapping[str, Any]) -> str:
    said = f": {text(node['reason'])}" if node["reason"] else ""
    return f"{text(node['name'])} {node['state']}{said}"


def _hold(hold: Mapping[str, Any]) -> str:
    count = hold["count"]
    who = f"{count} {'node waits' if count == 1 else 'nodes wait'}" if count else "it waits"
    return f"{who}: {text(hold['reason'])}"


@contextlib.contextmanager
def _shown() -> Iterator[Callable[[Flat | None, Flat], None]]:
    """What shows a look, given the one before."""
    if is_plain(sys.stderr):
        yield lambda before, now: _say_all(changes(before, now))
        return
    with Live(console=Console(stderr=True, highlight=False), auto_refresh=False) as live:
        yield lambda _, now: live.update(picture(now), refresh=True)


def _say_all(lines: Iterable[str]) -> None:
    for line in lines:
        say(line)


def _looks(client: Client, name: str) -> Iterator[Flat]:
    """The roll-out, again whenever it changed. Ends when the server does not have it any more."""
    told = client.watch(path_of(ROLLOUT), labelSelector=f"name={name}")
    try:
        with contextlib.closing(told):
            for change, row in told:
                if change == "DELETED":
                    return
                yield row
    except ServerSilent:
        raise _gone(name) from None


def _gone(name: str) -> IolausError:
    return DeviceSilent(
        "the server went away; what it began goes on when it is back",
        operation="wait for",
        subject=f"rollout/{name}",
        code="ServerSilent",
        next_step=f"iolaus rollout status {name} --wait",
    )
