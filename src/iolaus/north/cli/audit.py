"""`audit`: the log of who did what, read, kept elsewhere, and checked here.

The chain is followed by this program and not by the server: what a server says of its own log
proves nothing. A head that was written down elsewhere makes a cut end show.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.model.audit import Checked, Entry, parse_head, verify
from iolaus.north.cli.ask import OutputOption, UrlOption
from iolaus.north.cli.cells import Column, column
from iolaus.north.cli.checkpoints import kept_heads
from iolaus.north.cli.client import Client
from iolaus.north.cli.render import Output, plain_table, print_csv, print_json, say, write

PAGE: Final = 1_000
BROKEN: Final = 5


def list_audit(
    last: Annotated[int, typer.Option("--last", min=1, help="So many entries.")] = 50,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Print who asked for what, the newest last.

    Example: iolaus audit list --last 20
    """
    with Client(url) as client:
        number = int(_head(client).partition(":")[0] or 0)
        entries = list(_entries(client, after=max(0, number - last)))
    if output is Output.JSON:
        print_json({"kind": "AuditList", "items": entries})
    elif output is Output.CSV:
        print_csv(COLUMNS, [_row(each) for each in entries])
    elif entries:
        write(plain_table(COLUMNS, [_row(each) for each in entries]))
    else:
        say("nothing was asked for yet")


def head(url: UrlOption = None) -> None:
    """Print the newest entry's number and digest, to be kept elsewhere.

    Example: iolaus audit head >> /media/usb/heads
    """
    with Client(url) as client:
        found = _head(client)
    if found:
        write(found + "\n")
    else:
        say("the audit log is empty")


def export(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="One entry per line, as JSON.")],
    url: UrlOption = None,
) -> None:
    """Write the whole audit log into a file that can be checked without a server.

    Example: iolaus audit export audit.jsonl
    """
    count = 0
    try:
        with Client(url) as client, file.open("wb") as out:
            for each in _entries(client):
                out.write(msgspec.json.encode(each) + b"\n")
                count += 1
    except OSError as error:
        raise _unusable(file, error.strerror or str(error)) from None
    say(f"{count} entries in {file}; check it with: iolaus audit verify {file}")


def checkpoint(
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="FILE", help="Add it to this file, a line each."),
    ] = None,
    url: UrlOption = None,
) -> None:
    """Print the newest entry, signed, to be kept where nobody of this hall can write.

    Example: iolaus audit checkpoint -o /mnt/elsewhere/audit.checkpoints
    """
    with Client(url) as client:
        line = msgspec.json.encode(client.get("/api/v1/audit/checkpoint")) + b"\n"
    if out is None:
        write(line.decode())
        return
    try:
        with out.open("ab") as file:
            file.write(line)
    except OSError as error:
        raise _unusable(out, error.strerror or str(error)) from None
    say(f"added to {out}; hold the log against it with: iolaus audit verify --checkpoint {out}")


def key(
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")],
    url: UrlOption = None,
) -> None:
    """Write the public key that checkpoints of the audit log are signed with.

    Example: iolaus audit key -o audit.pub
    """
    with Client(url) as client:
        data = client.get_bytes("/api/v1/audit/key")
    try:
        out.write_bytes(data)
    except OSError as error:
        raise _unusable(out, error.strerror or str(error)) from None
    say(f"the public key is in {out}")


def verify_audit(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An export; else the server's log.")
    ] = None,
    heads: Annotated[
        list[str] | None,
        typer.Option("--head", metavar="N:DIGEST", help="A head kept elsewhere; several may be."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option("--checkpoint", metavar="FILE", help="Checkpoints kept elsewhere."),
    ] = None,
    key: Annotated[
        Path | None,
        typer.Option("--key", metavar="FILE", help="Whose checkpoints; else anybody's count."),
    ] = None,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Follow the chain from its first entry to its end. Exit code 5 if it does not hold.

    A chain shows what was changed, removed or inserted. That its end was cut off, or that all of
    it was written anew, shows only against a checkpoint or a head that was kept elsewhere.

    Examples: iolaus audit verify --checkpoint kept.jsonl --key audit.pub;
    iolaus audit verify audit.jsonl --head 812:9f2c...
    """
    wanted = [parse_head(each) for each in heads or ()]
    wanted += kept_heads(checkpoints or (), key)
    if file is not None:
        found = verify(_of_file(file), wanted)
    else:
        with Client(url) as client:
            newest = _head(client)
            ends = [parse_head(newest)] if newest else []
            found = verify(map(_read, _entries(client)), [*wanted, *ends])
    _print(found, output, kept=bool(wanted))
    if not found.whole:
        raise typer.Exit(BROKEN)


AUDIT_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "list": list_audit,
    "head": head,
    "export": export,
    "checkpoint": checkpoint,
    "key": key,
    "verify": verify_audit,
}
COLUMNS: Final = (
    column("NUMBER", "number", right=True),
    column("AT", "at"),
    column("WHO", "who"),
    column("WHAT", "what"),
    column("SUBJECT", "subject"),
    Column(title="DETAIL", cell=lambda row: str(row["detail"])[:80]),
)


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    at = datetime.fromtimestamp(entry["atMs"] / 1000, UTC)
    return {**entry, "at": at.strftime("%Y-%m-%d %H:%M:%SZ")}


def _print(found: Checked, output: Output, *, kept: bool) -> None:
    if output is Output.JSON:
        print_json({"whole": found.whole, **msgspec.to_builtins(found)})
        return
    for each in found.breaks:
        write(f"entry {each.number}: {each.message} ({each.code})\n")
    state = "the chain holds" if found.whole else "the chain does NOT hold"
    say(f"{found.entries} entries: {state}" + (f"; head {found.head}" if found.head else ""))
    if found.unanswered:
        count = len(found.unanswered)
        word = "request" if count == 1 else "requests"
        say(f"{count} {word} without an answer: {', '.join(map(str, found.unanswered[:10]))}")
    if found.whole and not kept:
        say("not proved: that no end was cut off and that it was not all written anew;")
        say("  keep checkpoints elsewhere (iolaus audit checkpoint) and give --checkpoint FILE.")


def _head(client: Client) -> str:
    return str(client.get("/api/v1/audit", limit=1)["head"])


def _entries(client: Client, *, after: int = 0) -> Iterator[dict[str, Any]]:
    while True:
        page = client.get("/api/v1/audit", after=after, limit=PAGE)["items"]
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]["number"]


def _read(entry: Mapping[str, Any]) -> Entry:
    plain = {"at_ms" if name == "atMs" else name: value for name, value in entry.items()}
    return msgspec.convert(plain, Entry)


def _of_file(path: Path) -> Iterator[Entry]:
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield _of_line(line, number, path)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from None


def _of_line(line: bytes, number: int, path: Path) -> Entry:
    try:
        return _read(msgspec.json.decode(line, type=dict[str, Any]))
    except msgspec.MsgspecError as error:
        raise _unusable(path, f"line {number} is no entry: {error}") from None


def _unusable(path: Path, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="audit",
        subject=str(path),
        code="Unusable",
        next_step="name a file that `iolaus audit export` wrote, or can write.",
    )
