"""`iolaus sim from-capture`: recorded machines become a site that `iolaus sim hall` serves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from iolaus.north.cli.render import say


def sim_from_capture(
    captures: Annotated[
        list[Path], typer.Argument(metavar="CAPTURE...", help="Folders or tar.xz, as captured.")
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR|SITE", help="A folder, or a site file.")
    ],
    copies: Annotated[int, typer.Option("--copies", min=1, help="Machines per capture.")] = 1,
    keep_serials: Annotated[
        bool, typer.Option("--keep-serials", help="Serial numbers and addresses stay as recorded.")
    ] = False,
) -> None:
    """Make a twin of recorded machines: power, sessions and sensors that live.

    A CAPTURE is what `iolaus capture` writes, or a mock-up in the DMTF's layout. Secrets are taken
    out. Examples: iolaus capture https://10.3.0.7 n7 --user root; iolaus sim from-capture n7 -o
    twin --copies 16; iolaus sim hall twin/site.yaml
    """
    from iolaus.sim.rehearsal.folder import from_captures

    site, count = from_captures(captures, out, keep=keep_serials, copies=copies)
    say(f"{count} machines in {site}; serve them: iolaus sim hall {site}")
