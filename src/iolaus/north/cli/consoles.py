"""`console`: a host's serial line in this terminal, what it said, and who may watch it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import UrlOption, YesOption, confirm
from iolaus.north.cli.cells import Column, column
from iolaus.north.cli.client import Client, read_url
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import print_json, print_table, say, write
from iolaus.north.cli.sections import Told

CONSOLES: Final = "/api/v1/consoles"
NodeWord = Annotated[
    str, typer.Argument(metavar="[node/]NAME", show_default=False, help="Whose console.")
]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="15m|TIME", help="Begin with what was said then.")
]
ListOutput = Annotated[str, typer.Option("-o", "--output", metavar="table|json")]
COLUMNS: Final = (
    column("NODE", "node"),
    column("STATE", "state"),
    column("WAY", "way"),
    Column(title="RECORDED", cell=lambda row: _size(int(row["bytes"]))),
    column("WRITER", "writer"),
    Column(title="WATCHERS", cell=lambda row: ",".join(row["watchers"])),
    Column(title="KEPT", cell=lambda row: "yes" if row["kept"] else ""),
    column("MESSAGE", "message"),
)
SHARES: Final = (
    column("ID", "id"),
    column("NODE", "node"),
    column("MADE BY", "made_by"),
    column("EXPIRES", "expires_at"),
)


class ConsoleByName(Told):
    """A group in which a word that is no command is the console to open."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        named = args and args[0] not in self.commands and args[0] not in ("-h", "--help")
        return super().parse_args(ctx, ["open", *args] if named else args)


def open_(
    node: Annotated[
        str,
        typer.Argument(
            metavar="[node/]NAME|LINK", show_default=False, help="A node, or a link to watch by."
        ),
    ],
    read_only: Annotated[bool, typer.Option("--read-only", help="Watch and do not write.")] = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Print what was recorded, and end.")
    ] = False,
    since: SinceOption = None,
    until: Annotated[
        str | None, typer.Option("--until", metavar="15m|TIME", help="With --replay: end there.")
    ] = None,
    way: Annotated[
        str | None,
        typer.Option("--way", metavar="websocket|ssh|ipmi", help="Instead of the best there is."),
    ] = None,
    trust: Annotated[
        str,
        typer.Option("--trust", metavar="verify|first", help="`first` pins the SSH key shown now."),
    ] = "verify",
    url: UrlOption = None,
) -> None:
    """Open a host's console; `~.` at the beginning of a line leaves, `~?` says what else.

    Examples: iolaus console node/h1-r07-u12; iolaus console h1-r07-u12 --replay --since 1h
    """
    if trust not in ("verify", "first"):
        raise _wrong("--trust", trust, "give verify or first.")
    if node.startswith(("http://", "https://")):
        _watch_link(node)
        return
    name = _name(node)
    if replay:
        _replay(url, name, since, until)
        return
    from iolaus.north.cli.terminal import run_terminal

    base = read_url(url or os.environ.get("IOLAUS_URL") or "http://127.0.0.1:8080")
    asked = {"since": since, "way": way, "trust": trust, "read_only": "1" if read_only else None}
    query = urlencode({key: value for key, value in asked.items() if value})
    place = f"ws{base.removeprefix('http')}{CONSOLES}/{quote(name, safe='')}/socket?{query}"
    token = os.environ.get("IOLAUS_TOKEN")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run_terminal(place, subject=name, token=token, read_only=read_only))


def _watch_link(link: str) -> None:
    from iolaus.north.cli.terminal import run_terminal

    parts = urlsplit(link)
    if not parts.fragment:
        raise _wrong("LINK", "no text behind #", "copy the whole link.")
    scheme = "wss" if parts.scheme == "https" else "ws"
    place = f"{scheme}://{parts.netloc}/shared/console/socket"
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(
            run_terminal(
                place, subject=parts.netloc, token=None, share=parts.fragment, read_only=True
            )
        )


def _replay(url: str | None, name: str, since: str | None, until: str | None) -> None:
    asked = urlencode({k: v for k, v in {"since": since, "until": until}.items() if v})
    with Client(url) as client:
        data = client.get_bytes(f"{CONSOLES}/{quote(name, safe='')}/recording?{asked}")
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def list_(output: ListOutput = "table", url: UrlOption = None) -> None:
    """List consoles that are open, kept, or tried.

    Example: iolaus console list
    """
    with Client(url) as client:
        rows = client.get(CONSOLES)["items"]
    if output == "json":
        print_json({"kind": "ConsoleList", "items": rows})
    else:
        print_table(COLUMNS, rows)


def search(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", show_default=False)],
    node: Annotated[
        str | None, typer.Option("--node", metavar="NAME", help="In this console only.")
    ] = None,
    since: SinceOption = None,
    until: Annotated[str | None, typer.Option("--until", metavar="15m|TIME")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000)] = 200,
    output: ListOutput = "table",
    url: UrlOption = None,
) -> None:
    """Find lines that hold all words in what consoles said; the newest, oldest first.

    Exit code 1 where there is none. Example: iolaus console search kernel panic --since 24h
    """
    asked: dict[str, str | int | None] = {
        "text": " ".join(words),
        "node": _name(node) if node else None,
        "since": since,
        "until": until,
        "limit": limit,
    }
    with Client(url) as client:
        found = client.get(f"{CONSOLES}/search", **asked)
    if output == "json":
        print_json({"kind": "ConsoleLines", **found})
    else:
        for row in found["items"]:
            write(f"{row['at'] or '-'}  {row['node']}  {row['text']}\n")
        if unheard := found.get("unheard"):
            say(f"not searched, as they are not heard: {', '.join(unheard)}")
        if not found["whole"]:
            say(f"there are more than {limit}: give --limit, --since or more words")
        if not found["items"]:
            say("no line that was recorded holds all of it")
    if not found["items"]:
        raise typer.Exit(1)


def keep(node: NodeWord, dry_run: DryRunOption = False, url: UrlOption = None) -> None:
    """Record a console day and night, also while nobody watches.

    Example: iolaus console keep h1-r07-u12
    """
    _keep(node, kept=True, dry_run=dry_run, url=url)


def unkeep(node: NodeWord, dry_run: DryRunOption = False, url: UrlOption = None) -> None:
    """Record a console only while somebody watches. What is recorded stays."""
    _keep(node, kept=False, dry_run=dry_run, url=url)


def _keep(node: str, *, kept: bool, dry_run: bool, url: str | None) -> None:
    name, when = _name(node), "day and night" if kept else "while somebody watches"
    if dry_run:
        say(f"would record {name} {when}")
        return
    with Client(url) as client:
        client.post(f"{CONSOLES}/{quote(name, safe='')}/keep", {"kept": kept})
    say(f"{name} is recorded {when}")


def share(
    node: NodeWord,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="For how long, as in 1h.")
    ] = "1h",
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Make a link by which anybody may watch this console for a time, and not write.

    Example: iolaus console share h1-r07-u12 --for 2h
    """
    name = _name(node)
    if dry_run:
        say(f"would make a link to watch {name} for {for_}")
        return
    with Client(url) as client:
        made = client.post(f"{CONSOLES}/{quote(name, safe='')}/share", {"lasts": for_})
    say(f"link {made['id']}, until {made['expires_at']}; it is shown this once:")
    write(made["link"] + "\n")


def shares(output: ListOutput = "table", url: UrlOption = None) -> None:
    """List links that still let watch; their texts are kept nowhere."""
    with Client(url) as client:
        rows = client.get(f"{CONSOLES}/shares")["items"]
    if output == "json":
        print_json({"kind": "ConsoleShareList", "items": rows})
    else:
        print_table(SHARES, rows)


def unshare(
    ident: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """End a link before its time; who watches by it is cut off."""
    if dry_run:
        say(f"would end link {ident}")
        return
    with Client(url) as client:
        client.remove(f"{CONSOLES}/shares/{quote(ident, safe='')}")
    say(f"link {ident} is ended")


def forget_key(
    node: NodeWord,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Forget the SSH host key of a controller: it was replaced, and you know why."""
    name = _name(node)
    if dry_run:
        say(f"would forget the host key of {name}")
        return
    confirm(f"forget the host key of {name}?", "forget-key", yes=yes, subject=f"node/{name}")
    with Client(url) as client:
        client.remove(f"{CONSOLES}/{quote(name, safe='')}/key")
    say(f"the host key of {name} is forgotten; pin the next one with --trust first")


def _name(word: str) -> str:
    head, slash, rest = word.partition("/")
    name = rest if slash and head in ("node", "nodes", "no") else word
    if not name:
        raise _wrong("NAME", word, "write node/NAME.")
    return name


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count} B"


def _wrong(what: str, given: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        f"{what} cannot be {given!r}",
        operation="open console",
        subject="console",
        code="BadOption",
        next_step=next_step,
    )


CONSOLE_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "open": open_,
    "list": list_,
    "search": search,
    "keep": keep,
    "unkeep": unkeep,
    "share": share,
    "shares": shares,
    "unshare": unshare,
    "forget-key": forget_key,
}
