"""`export evidence`: what verdicts rest on, for somebody who has no server of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.ask import SelectorOption, UrlOption
from iolaus.north.cli.client import Client
from iolaus.north.cli.render import say

Out = Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="The file to write.")]


def export_evidence(
    out: Out,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NODE]...", show_default=False)
    ] = None,
    selector: SelectorOption = None,
    url: UrlOption = None,
) -> None:
    """Write evidence, references and verdicts as one signed file that anybody can verify offline.

    Of all nodes, unless some are named or selected. Verify it with: iolaus verify FILE --key KEY.
    Example: iolaus export evidence -l rack=h1-r07 -o h1-r07.zip
    """
    nodes = [name.removeprefix("node/") for name in names or ()]
    order: dict[str, Any] = {"nodes": nodes, "labelSelector": selector or ""}
    with Client(url) as client:
        data = client.post_for_bytes("/api/v1/evidence-pack", order)
    _write(out, data)
    say(f"{len(data)} bytes in {out}; verify it with: iolaus verify pack {out} --key KEY")
    say("  KEY is what `iolaus export evidence-key` writes; hand it over by another way.")


def export_key(out: Out, url: UrlOption = None) -> None:
    """Write the public key that evidence packs are signed with.

    Example: iolaus export evidence-key -o evidence.pub
    """
    with Client(url) as client:
        data = client.get_bytes("/api/v1/evidence-pack/key")
    _write(out, data)
    say(f"the public key is in {out}")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OperatorMust(
            error.strerror or str(error),
            operation="export evidence",
            subject=str(path),
            code="Unwritable",
            next_step="name a file that can be written with -o.",
        ) from None
