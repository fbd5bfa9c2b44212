"""`advisory`: files of makers and databases brought in, and what to do about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import msgspec
import typer
import yaml

from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.north.cli.ask import SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.client import Client
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import print_error, print_json, say, write

PATH: Final = "/api/v1/advisories"
MAX_BYTES: Final = 8 * 1024 * 1024
PARTIAL: Final = 1
SHOWN: Final = 3


def import_advisories(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...|DIR", help="CSAF 2.0 or OSV, in JSON.")
    ],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Bring in advisories, as their publishers wrote them; folders are read whole.

    A file that cannot be read is told and passed over; exit code 1 then.
    Example: iolaus advisory import csaf/ GHSA-2026.json
    """
    paths = list(_files(files))
    if not dry_run:
        confirm(f"import {_counted(paths)}?", "import", yes=yes, subject="advisories")
    failed = 0
    with Client(url) as client:
        for path in paths:
            try:
                _import_one(client, path, dry_run=dry_run)
            except OperatorMust as error:
                print_error(error)
                failed += 1
    if failed:
        say(f"{failed} of {_counted(paths)} could not be imported")
        raise typer.Exit(PARTIAL)


def remove_advisory(
    name: Annotated[str, typer.Argument(metavar="ADVISORY")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Forget an advisory: nodes are held against it no more.

    Example: iolaus advisory remove ACME-SA-2026-1
    """
    name = name.removeprefix("advisory/")
    if not dry_run:
        confirm(f"remove advisory/{name}?", "remove", yes=yes, subject="advisories")
    with Client(url) as client:
        client.delete(_path(name), dryRun="All" if dry_run else None)
    say(f"{'would remove' if dry_run else 'removed'} advisory/{name}")


def fix_advisory(
    name: Annotated[str, typer.Argument(metavar="ADVISORY")],
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="A file [default: standard output].")
    ] = None,
    url: UrlOption = None,
) -> None:
    """Print the baseline that brings every affected node to the fixed versions.

    Review it, name an image where none is known, apply it, and plan:
    iolaus advisory fix ID -o fix.yaml; iolaus apply fix.yaml; iolaus plan fix-id
    """
    name = name.removeprefix("advisory/")
    with Client(url) as client:
        found = client.get(f"{_path(name)}/fix")
    document = found["document"]
    told = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    for each in found["left"]:
        say(f"not fixed by it: {each['node']} {each['component']}: {each['reason']}")
    if output is None:
        write(told)
        return
    try:
        output.write_text(told, encoding="utf-8")
    except OSError as error:
        raise _unreadable(output, error, "written") from None
    baseline = document["metadata"]["name"]
    say(f"wrote {output}; next: iolaus apply {output}; iolaus plan {baseline} --dry-run")


def export_fbom(
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="A file [default: standard output].")
    ] = None,
    selector: SelectorOption = None,
    url: UrlOption = None,
) -> None:
    """Write the firmware bill of materials in CycloneDX 1.6, with what advisories say of it (VEX).

    Example: iolaus export fbom -l rack=h1-r07 -o h1-r07.cdx.json
    """
    with Client(url) as client:
        document = client.get("/api/v1/fbom", labelSelector=selector)
    if output is None:
        print_json(document)
        return
    try:
        output.write_bytes(msgspec.json.format(msgspec.json.encode(document)) + b"\n")
    except OSError as error:
        raise _unreadable(output, error, "written") from None
    count = len(document["components"])
    say(f"{count} {'device' if count == 1 else 'devices'} in {output}")


ADVISORY_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "import": import_advisories,
    "fix": fix_advisory,
    "remove": remove_advisory,
}


def _import_one(client: Client, path: Path, *, dry_run: bool) -> None:
    raw = _read(path)
    found = client.post(
        PATH, msgspec.Raw(raw), source=path.name[:400], dryRun="All" if dry_run else None
    )
    would = " (dry run)" if dry_run else ""
    for each in found["items"]:
        say(f"advisory/{each['name']} {each['outcome']}{would}: {each['statements']} statements")
        for remark in each["ignored"][:SHOWN]:
            say(f"  not used: {remark}")
        if len(each["ignored"]) > SHOWN:
            say(f"  and {len(each['ignored']) - SHOWN} more")


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _unreadable(path, error, "read") from None
    if not raw.strip():
        raise _wrong(path, "it is empty")
    if len(raw) > MAX_BYTES:
        raise _wrong(path, "it is larger than 8 MiB")
    return raw


def _files(given: Sequence[Path]) -> Iterator[Path]:
    """The files named, and every .json file below the folders named."""
    for path in given:
        if not path.is_dir():
            yield path
            continue
        below = sorted(p for p in path.rglob("*.json") if p.is_file())
        if not below:
            raise _wrong(path, "there is no .json file in this folder")
        yield from below


def _path(name: str) -> str:
    return f"{PATH}/{quote(name, safe='')}"


def _counted(paths: Sequence[Path]) -> str:
    return f"{len(paths)} {'file' if len(paths) == 1 else 'files'}"


def _unreadable(path: Path, error: OSError, deed: str) -> IolausError:
    return _wrong(path, f"it cannot be {deed}: {error.strerror}")


def _wrong(path: Path, why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="import" if "written" not in why else "write",
        subject=str(path),
        code="Unreadable",
        next_step="check the path.",
    )
