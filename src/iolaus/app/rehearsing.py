"""Twins to rehearse on, from the command line: of recorded machines, and of what was discovered.

Both become a site that `iolaus sim hall` serves. The simulator is brought in when one is made.
"""

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


def export_site(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="A folder, or a site file.")
    ] = Path("site"),
    selector: Annotated[
        str | None, typer.Option("-l", "--selector", help="Only these nodes and devices.")
    ] = None,
    keep_serials: Annotated[
        bool, typer.Option("--keep-serials", help="Serial numbers and UUIDs stay what they are.")
    ] = False,
) -> None:
    """Write what was discovered as a site to simulate: a twin to rehearse on.

    Exit code 1 if nothing is known of some endpoints. Examples: iolaus export site -o twin;
    iolaus sim hall twin/site.yaml; iolaus export site -o r07 -l rack=h1-r07
    """
    from iolaus.app.exporting import exported
    from iolaus.north.cli.client import Client

    with Client() as client:
        done = exported(client, out, selector=selector, keep=keep_serials)
    say(f"{done.machines} machines of {done.shapes} shapes in {done.site}")
    say(f"serve them: iolaus sim hall {done.site}")
    if done.unknown:
        say(f"nothing is known of {', '.join(sorted(done.unknown)[:8])}: they are left out")
        raise typer.Exit(1)
