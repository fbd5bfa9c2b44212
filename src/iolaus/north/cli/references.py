"""`reference`: saying what should run, by documents that their makers signed."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.north.cli.ask import SelectorOption, UrlOption, YesOption, confirm
from iolaus.north.cli.cells import text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.desired import DryRunOption
from iolaus.north.cli.render import print_error, say

MOST: Final = 8 << 20
PACKAGE: Final = "PackageGiven"
"""The server's word for a document that is a package."""
MAX_FILES: Final = 10_000
PATH: Final = "/api/v1/references"


def import_references(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE_OR_DIR...",
            help="CoRIM (CBOR) or SWID manifests, firmware packages, review reports.",
        ),
    ],
    anchor: Annotated[
        list[Path] | None,
        typer.Option("--anchor", metavar="FILE", help="A root certificate or key of the signer."),
    ] = None,
    accept_unverified: Annotated[
        bool,
        typer.Option(
            "--accept-unverified", help="Keep what nobody vouches for; it counts for nothing."
        ),
    ] = False,
    meant: Annotated[
        list[str] | None,
        typer.Option(
            "--for",
            metavar="COMPONENT",
            help="What a package is for: bmc, FW_BMC_*, or 0x0010=FW_BMC_* for one image.",
        ),
    ] = None,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Import documents of reference values, with the anchors that their signers are held against.

    A firmware package (PLDM, OpenBMC) says which versions there are: what is reported is looked up
    in it. A review report (OCP S.A.F.E.) is joined to images by their digest. What is refused is
    told, and the rest is imported; exit code 5 if any is not verified.
    Examples: iolaus reference import rims/ --anchor maker-root.pem;
    iolaus reference import bmc.fwpkg --for bmc
    """
    found = list(_files(files))
    order = Order(anchor or (), meant or (), accept=accept_unverified, dry_run=dry_run)
    worst = 0
    with Client(url) as client:
        for file in found:
            try:
                row = flat(order.send(client, file))
            except IolausError as error:
                print_error(error)
                worst = max(worst, error.exit_code)
                continue
            say(_told(row, dry_run=dry_run))
    if worst:
        raise typer.Exit(worst)


class Order:
    """What is said of all documents of one import."""

    def __init__(
        self, anchors: Sequence[Path], meant: Sequence[str], *, accept: bool, dry_run: bool
    ) -> None:
        self._anchors = [_named(path, folder=True) for path in anchors]
        self._meant, self._accept = list(meant), accept
        self._dry = "All" if dry_run else None

    def send(self, client: Client, file: Path) -> Flat:
        """Packages as they are, all else within JSON; the server knows which is which."""
        if _size(file) > MOST:
            return self._package(client, file)
        try:
            return self._document(client, file)
        except IolausError as error:
            if error.code != PACKAGE:
                raise
        return self._package(client, file)

    def _document(self, client: Client, file: Path) -> Flat:
        spec = {
            "document": _named(file),
            "anchors": self._anchors,
            "acceptUnverified": self._accept,
        }
        return client.post(PATH, {"spec": spec}, dryRun=self._dry)

    def _package(self, client: Client, file: Path) -> Flat:
        keys = [base64.urlsafe_b64encode(base64.b64decode(a["data"])) for a in self._anchors]
        with file.open("rb") as opened:
            return client.post_file(
                f"{PATH}/package",
                opened,
                name=file.name,
                anchor=[each.decode() for each in keys],
                **{"for": self._meant},
                acceptUnverified="true" if self._accept else None,
                dryRun=self._dry,
            )


def learn_references(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", show_default=False)
    ] = None,
    name: Annotated[str, typer.Option("--name", help="What it will be called.")] = "",
    selector: SelectorOption = None,
    component: Annotated[
        str, typer.Option("--component", metavar="PATTERN", help="Which components: GPU_*")
    ] = "*",
    least: Annotated[
        int, typer.Option("--least", min=1, help="How many of a kind there must be.")
    ] = 2,
    dry_run: DryRunOption = False,
    url: UrlOption = None,
) -> None:
    """Keep what components that agree measure, labelled as learned: nobody vouches for it.

    They must have proved who they are; if their code differs, nothing is learned and it is told
    who departs. It counts only where the policy accepts what was learned.
    Example: iolaus reference learn --name gpus-2026-11 -l rack=h1-r07 --component "*GPU*"
    """
    nodes = [each.removeprefix("node/") for each in names or ()]
    spec = {
        "name": name,
        "nodes": nodes,
        "labelSelector": selector or "",
        "component": component,
        "least": least,
    }
    if not name or not (nodes or selector):
        raise OperatorMust(
            "say what it is called and from whom it is learned",
            operation="learn",
            subject="reference",
            code="Incomplete",
            next_step="iolaus reference learn --name NAME -l rack=h1-r07",
        )
    with Client(url) as client:
        order = {"spec": spec}
        row = flat(client.post(f"{PATH}/learn", order, dryRun="All" if dry_run else None))
    word = "would keep" if dry_run else "kept"
    say(
        f"{word} reference/{row['name']}: {row['values']} values of {len(row['parts'])} parts, "
        f"learned from {row['learned_from']} components"
    )
    for each in row["oddities"]:
        say(f"  {each}")


def remove_reference(
    name: Annotated[str, typer.Argument(metavar="REFERENCE")],
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    url: UrlOption = None,
) -> None:
    """Remove a document of reference values: nothing is held against it any more.

    Example: iolaus reference remove gh100-560b6686
    """
    name = name.removeprefix("reference/").removeprefix("ref/")
    if not dry_run:
        confirm(f"remove reference/{name}?", "remove", yes=yes, subject="references")
    with Client(url) as client:
        path = f"{PATH}/{quote(name, safe='')}"
        client.delete(path, dryRun="All" if dry_run else None)
    say(f"{'would remove' if dry_run else 'removed'} reference/{name}")


REFERENCE_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "import": import_references,
    "learn": learn_references,
    "remove": remove_reference,
}


def _told(row: Flat, *, dry_run: bool) -> str:
    word = "would import" if dry_run else "imported"
    parts = row["parts"]
    named = text(parts[0]) if len(parts) == 1 else f"{len(parts)} parts"
    held = f"{row['values']} values"
    if row["type"] == "package":
        named, held = f"{len(row['images'])} images", ", ".join(map(text, row["versions"][:4]))
    elif row["type"] == "review":
        held = ", ".join(f"{each['issues']} open issues" for each in row["reports"][:4])
    return f"{word} reference/{row['name']}: {named}, {held}, {row['state']}"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise _bad(path, error.strerror or "cannot be read", "name a file.") from None


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    """The files named, and those below folders (no hidden ones), in order."""
    count = 0
    for path in paths:
        below = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        for file in below:
            if path.is_dir() and file.name.startswith("."):
                continue
            count += 1
            if count > MAX_FILES:
                raise _bad(path, f"more than {MAX_FILES} files", "import it in parts.")
            yield file
    if not count:
        raise _bad(paths[0], "there is no file in it", "name the documents to import.")


def _named(path: Path, *, folder: bool = False) -> dict[str, str]:
    """`folder`: with the name of its folder, which may say whose key it is."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST + 1)
    except OSError as error:
        raise _bad(path, error.strerror or "cannot be read", "name a file.") from None
    if len(data) > MOST:
        raise _bad(path, f"more than {MOST >> 20} MiB", "name another file.")
    name = f"{path.resolve().parent.name}/{path.name}" if folder else path.name
    return {"name": name[-300:], "data": base64.b64encode(data).decode()}


def _bad(path: Path, message: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        message,
        operation="import",
        subject=str(path),
        code="FileUnreadable",
        next_step=next_step,
    )
