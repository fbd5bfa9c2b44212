"""Machines taken on from the command line: lists, `onboard`, `handover`, and the hook of DHCP.

A table of a maker is read here, where it lies: its passwords go to the server's credential store in
one request, and what is printed or kept as a list holds none.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import msgspec
import typer
import yaml

from iolaus.fleet.expected_files import Delivered, is_expected, read_expected, read_table
from iolaus.kernel.errors import OperatorMust
from iolaus.model.expected import ExpectedHardware
from iolaus.north.cli.ask import OutputOption, SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.asking import NODES, BatchOption, DryRunOption, RulesOption, ask_nodes
from iolaus.north.cli.asking import YesOption as AskYesOption
from iolaus.north.cli.client import Client
from iolaus.north.cli.reading import holds, read_or_complain, text_of
from iolaus.north.cli.render import Output, say, write
from iolaus.recovery.leases import Lease, parse_leases, told_by_hook

API: Final = "/api/v1"
AT_ONCE: Final = 2000
LIST: Final = "list/"
CANDIDATES = Annotated[
    list[str], typer.Argument(metavar="NAME...|list/NAME...", help="Candidates, or whole lists.")
]


# --- lists ------------------------------------------------------------------------------------


def take_lists(files: Sequence[Path]) -> tuple[list[Path], list[tuple[ExpectedHardware, str]]]:
    """Files of something else, and the lists of the others with where they came from. Every
    complaint is printed before it raises `BadFile`."""
    mine = [path for path in files if holds(path, is_expected)]
    found = [(each, str(path)) for path in mine for each in read_or_complain(path, read_expected)]
    return [path for path in files if path not in mine], found


def put_list(client: Client, document: ExpectedHardware, source: str, *, dry_run: bool) -> str:
    """What came of it, in a line or two."""
    told = client.put(
        _path(document.name),
        msgspec.to_builtins(document),
        source=source,
        dryRun="All" if dry_run else None,
    )
    would = " (dry run)" if dry_run else ""
    nodes = f"{told['nodes']} {'node' if told['nodes'] == 1 else 'nodes'}"
    line = f"expected/{document.name} {told['outcome']}{would}: {nodes}"
    if missing := told["unknown"]:
        few = ", ".join(missing[:3]) + (" ..." if len(missing) > 3 else "")
        line += f"\n  {len(missing)} factory logins are not kept yet: {few}"
        line += "\n  next:  iolaus credential add NAME, or iolaus onboard import TABLE"
    return line


def remove_list(name: str, *, yes: bool, url: str | None) -> None:
    confirm(f"remove expected/{name}?", "remove", yes=yes, subject="lists")
    with Client(url) as client:
        say(client.delete(_path(name))["message"])


def export_expected(
    name: Annotated[str, typer.Argument(metavar="LIST")], url: UrlOption = None
) -> None:
    """Print a list of expected hardware as it can be applied again.

    Example: iolaus export expected hall-1 > hall-1.yaml
    """
    with Client(url) as client:
        document = client.get(f"{_path(name.removeprefix('expected/'))}/export")
    write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


# --- onboard ----------------------------------------------------------------------------------


def approve(
    names: CANDIDATES,
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="Trust the certificate that it shows: its SHA-256.")
    ] = "",
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Say yes: these machines may be taken on, if they are who was expected.

    Examples: iolaus onboard approve h1-r07-u12; iolaus onboard approve list/hall-1
    """
    if len(names) > 1 or names[0].startswith(LIST):
        confirm(f"approve {', '.join(names)}?", "approve", yes=yes, subject="candidates")
    with Client(url) as client:
        for name in names:
            if name.startswith(LIST):
                path, body = f"{_path(name.removeprefix(LIST))}/approve", dict[str, str]()
            else:
                path, body = f"{_candidate(name)}/approve", {"fingerprint": fingerprint}
            say(client.post(path, body)["message"])


def reject(
    names: CANDIDATES,
    reason: Annotated[str, typer.Option("--reason", help="Why.")] = "",
    url: UrlOption = None,
) -> None:
    """Say no: nothing is done with these machines.

    Example: iolaus onboard reject 10.0.3.9 --reason "not ours"
    """
    with Client(url) as client:
        for name in names:
            say(client.post(f"{_candidate(name)}/reject", {"reason": reason})["message"])


def retry(names: CANDIDATES, url: UrlOption = None) -> None:
    """Go on where they stand, once what stood in the way is mended.

    Example: iolaus onboard retry h1-r07-u12
    """
    with Client(url) as client:
        for name in names:
            row = client.post(f"{_candidate(name)}/retry", {})["status"]
            say(f"{row['name']} {row['state']} ({row['reason']})")


def import_table(
    file: Annotated[Path, typer.Argument(metavar="TABLE", help="CSV as the maker ships it.")],
    name: Annotated[str, typer.Option("--list", help="What the list is called.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the list there, and do not apply it.")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Take a maker's table: its passwords to the credential store, the rest as a list.

    Keep or destroy the table afterwards: it still holds them.
    Example: iolaus onboard import delivery.csv --list hall-1 -o hall-1.yaml
    """
    found = _table(file, name)
    document = _document(name, found)
    with Client(url) as client:
        for at in range(0, len(found.logins), AT_ONCE):
            some = [login._asdict() for login in found.logins[at : at + AT_ONCE]]
            client.post(f"{_path(name)}/logins", {"spec": some})
        if found.logins:
            say(f"{len(found.logins)} factory logins are kept, sealed")
        if out is None:
            say(put_list(client, document, str(file), dry_run=False))
    if out is not None:
        told = yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True)
        _save(out, told)
        say(f"wrote {out}, without passwords; complete it, then: iolaus apply {out}")


def _table(file: Path, name: str) -> Delivered:
    return read_or_complain(file, partial(read_table, name=name))


def _document(name: str, found: Delivered) -> ExpectedHardware:
    nodes = [msgspec.to_builtins(node) for node in found.nodes]
    written = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "ExpectedHardware",
        "metadata": {"name": name},
        "spec": {"nodes": nodes},
    }
    try:
        return msgspec.convert(written, ExpectedHardware)
    except msgspec.ValidationError as error:
        raise OperatorMust(
            str(error),
            operation="import",
            subject=name,
            code="ListInvalid",
            next_step="name the list in lower case, digits, . and -",
        ) from None


# --- the way back -----------------------------------------------------------------------------


def retire(
    names: NODES = None,
    selector: SelectorOption = None,
    erase_drives: Annotated[
        bool, typer.Option("--erase-drives", help="Have drives erased that offer it.")
    ] = False,
    rules: RulesOption = None,
    batch: BatchOption = None,
    dry_run: DryRunOption = False,
    yes: AskYesOption = False,
    output: OutputOption = Output.TABLE,
    url: UrlOption = None,
) -> None:
    """Plan to take nodes back to how their makers left them. There is no way back.

    The record of it is signed: iolaus get retirements.
    Examples: iolaus retire node/h1-r07-u12; iolaus retire -l rack=h1-r07 --erase-drives
    """
    ask_nodes(
        "retire",
        {"erase": True} if erase_drives else {},
        [name.removeprefix("node/") for name in names or ()],
        selector=selector,
        rules=rules,
        batch=batch,
        dry_run=dry_run,
        yes=yes,
        output=output,
        url=url,
    )


def recommission(names: CANDIDATES, url: UrlOption = None) -> None:
    """Begin anew with machines that were retired: they are candidates again.

    Example: iolaus recommission h1-r07-u12
    """
    with Client(url) as client:
        for name in names:
            say(client.post(f"{_candidate(name)}/recommission", {})["message"])


# --- handing over, and the hook ---------------------------------------------------------------


def handover(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Candidates.")],
    to: Annotated[Literal["metal3", "ironic"], typer.Option("--to", help="Who installs.")],
    namespace: Annotated[str, typer.Option("--namespace", help="Of Metal3's objects.")] = "",
    with_login: Annotated[
        bool,
        typer.Option("--with-login", help="The controller's login, too: it is printed in clear."),
    ] = False,
    taken: Annotated[
        bool, typer.Option("--taken", help="They have it: nothing is left to be done.")
    ] = False,
    url: UrlOption = None,
) -> None:
    """Print what Metal3 or Ironic want to be told of nodes that are at their baseline.

    Example: iolaus handover h1-r07-u12 --to metal3 --with-login | kubectl apply -f -
    """
    with Client(url) as client:
        body = {"to": to, "namespace": namespace, "login": with_login, "taken": taken}
        for name in names:
            told = client.post(f"{_candidate(name)}/handover", body)
            write("---\n" + yaml.safe_dump_all(told["documents"], sort_keys=False))


def hook_dhcp(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORDS]...", help="As the DHCP server calls its script."),
    ] = None,
    leases: Annotated[
        Path | None, typer.Option("--leases", help="A lease file of Kea or dnsmasq instead.")
    ] = None,
    site: Annotated[str, typer.Option("--site", help="The site whose DHCP server this is.")] = "",
    url: UrlOption = None,
) -> None:
    """Tell the server of controllers that asked for an address.

    For dhcp-script of dnsmasq, and for run_script of Kea. Examples:
    iolaus hook dhcp add 3c:ec:ef:00:11:22 10.0.0.5 bmc-1;
    iolaus hook dhcp --leases /var/lib/kea/kea-leases4.csv
    """
    found: Sequence[Lease] = ()
    if leases is not None:
        read = parse_leases(text_of(leases))
        found = read.found
        if read.skipped:
            say(f"{read.skipped} lines could not be read")
    elif lease := told_by_hook(list(words or ()), os.environ):
        found = (lease,)
    if not found:
        say("no address was given out: nothing is told")
        return
    new = 0
    with Client(url) as client:
        for at in range(0, len(found), AT_ONCE):
            some = [
                {
                    "address": each.address,
                    "mac": each.mac,
                    "hostname": each.hostname,
                    "site": site,
                }
                for each in found[at : at + AT_ONCE]
            ]
            new += int(client.post(f"{API}/appearances", {"spec": some})["new"])
    say(f"{len(found)} {'controller' if len(found) == 1 else 'controllers'} told of, {new} new")


ONBOARD_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "approve": approve,
    "reject": reject,
    "retry": retry,
    "import": import_table,
}
HOOK_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {"dhcp": hook_dhcp}


def _path(name: str) -> str:
    return f"{API}/expected/{quote(name, safe='')}"


def _candidate(name: str) -> str:
    bare = name.removeprefix("candidate/").removeprefix("cand/")
    return f"{API}/candidates/{quote(bare, safe='')}"


def _save(path: Path, told: str) -> None:
    try:
        path.write_text(told, encoding="utf-8")
    except OSError as error:
        raise OperatorMust(
            f"it cannot be written: {error.strerror}",
            operation="import",
            subject=str(path),
            code="Unwritable",
            next_step="choose another file.",
        ) from None
