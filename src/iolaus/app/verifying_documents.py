"""`iolaus verify corim|safe|package` as the command line meets them; the work is in `documents`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iolaus.north.cli.verdicts import Form, give_verdict

FormOption = Annotated[Form, typer.Option("-o", "--output", help="How to print the verdict.")]
At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Judge as of then: a date, or seconds since 1970."),
]


def verify_corim(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CoRIM, a CoMID, or a manifest in SWID XML.")
    ],
    anchor: Annotated[
        list[Path] | None,
        typer.Option("--anchor", metavar="FILE...", help="Roots or public keys of its signer."),
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify a manifest of reference values: its form, its signature, its signer, its time.

    FILE comes first. Exit code 5 if anything is not so. Example: iolaus verify corim
    board.corim --anchor maker-root.pem
    """
    from iolaus.app import documents, evidence

    judged = documents.corim_from_file(file, anchor or (), at=evidence.read_at(at))
    give_verdict(judged.verdict, output, judged.facts)


def verify_safe(
    reports: Annotated[
        list[Path], typer.Argument(metavar="REPORT...", help="Signed reports: JWS or COSE.")
    ],
    keys: Annotated[
        Path, typer.Option(metavar="DIR", help="Public keys of review providers, by their names.")
    ],
    image: Annotated[
        list[Path] | None,
        typer.Option("--image", metavar="FILE", help="Firmware that must be what was reviewed."),
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify OCP S.A.F.E. reports under their providers' keys, and join them to images by hash.

    Exit code 5 if any is not verified. Example: iolaus verify safe report.jws --keys keys/
    --image fw.bin
    """
    from iolaus.app import documents, evidence

    evidence.read_at(at)  # a report has no end of validity; a wrong time is still bad use
    judged = documents.reports_from_files(reports, keys, image or ())
    give_verdict(judged.verdict, output, judged.facts)


def verify_package(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A PLDM package, or an OpenBMC archive.")
    ],
    keys: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Public keys that may have signed an archive."),
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify a firmware package: is it whole, what does it hold, and who signed that.

    Exit code 5 if anything is not so. Example: iolaus verify package bmc.tar --keys keys/
    """
    from iolaus.app import documents, evidence

    evidence.read_at(at)  # a package has no end of validity; a wrong time is still bad use
    judged = documents.package_from_file(file, keys)
    give_verdict(judged.verdict, output, judged.facts)


DOCUMENT_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "corim": verify_corim,
    "safe": verify_safe,
    "package": verify_package,
}
