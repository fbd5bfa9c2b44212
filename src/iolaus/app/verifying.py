"""`iolaus verify` as the command line meets it: options and help; the work is in `evidence`.

No server, no state and no network. Exit codes: 0 verified, 5 not, 2 for what was given wrongly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from iolaus.app.verifying_documents import DOCUMENT_COMMANDS
from iolaus.north.cli.verdicts import Form, give_verdict

FormOption = Annotated[Form, typer.Option("-o", "--output", help="How to print the verdict.")]
At = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Judge as of then: a date, or seconds since 1970."),
]
AnchorFiles = Annotated[
    list[Path],
    typer.Option("--anchor", metavar="FILE...", help="Roots to trust, PEM or DER."),
]


def verify_spdm(
    measurements: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="SignedMeasurements: bytes, Base64, or the whole JSON answer."
        ),
    ],
    chain: Annotated[
        Path, typer.Option(metavar="FILE", help="Its certificates: SPDM's chain, PEM or DER.")
    ],
    nonce: Annotated[str, typer.Option(metavar="HEX", help="The nonce that was sent.")],
    slot: Annotated[int, typer.Option(min=0, max=15, help="The slot that was asked.")],
    anchor: AnchorFiles,
    hash_algorithm: Annotated[
        str | None, typer.Option(metavar="NAME", help="What it should be, as TPM_ALG_SHA_384.")
    ] = None,
    signing_algorithm: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="What it should be, as TPM_ALG_ECDSA_ECC_NIST_P384."),
    ] = None,
    spdm_version: Annotated[
        str | None, typer.Option(metavar="X.Y", help="What it should be, as 1.2.")
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify signed SPDM measurements: transcript, nonce, slot, signature, chain to an anchor.

    Exit code 5 if anything of it is not so. Example: iolaus verify spdm --measurements m.bin
    --chain chain.bin --nonce 015a...47a8 --slot 0 --anchor root.der
    """
    from iolaus.app import evidence

    given = evidence.Expected(spdm_version, hash_algorithm, signing_algorithm)
    judged = evidence.spdm_from_files(
        measurements,
        chain,
        evidence.spdm_question(nonce, slot),
        evidence.read_anchors(anchor),
        expected=given,
        at=evidence.read_at(at),
    )
    give_verdict(judged.verdict, output, judged.facts)


def verify_tpm(
    quote: Annotated[
        Path, typer.Option(metavar="FILE", help="TPMS_ATTEST, as tpm2_quote -m writes it.")
    ],
    signature: Annotated[
        Path, typer.Option(metavar="FILE", help="TPMT_SIGNATURE, as tpm2_quote -s writes it.")
    ],
    key: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="The attestation key: TPM2B_PUBLIC, PEM, DER, or its certificates."
        ),
    ],
    nonce: Annotated[str, typer.Option(metavar="HEX", help="The qualifying data that was sent.")],
    pcrs: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Register values, as tpm2 tools write them.")
    ] = None,
    eventlog: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The log of the measured boot.")
    ] = None,
    chain: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Certificates of the attestation key, PEM or DER."),
    ] = None,
    ek: Annotated[
        Path | None,
        typer.Option("--ek", metavar="FILE", help="Certificates of the endorsement key."),
    ] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option("--anchor", metavar="FILE...", help="Roots to trust for certificates."),
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify a TPM 2.0 quote, and that registers and event log are what was quoted.

    With --chain and --anchor it is shown whose attestation key it is; with --ek also that its
    certificate names that endorsement key, and where this leads. Not shown, as it takes the TPM
    itself (TPM2_ActivateCredential): that both keys are in one TPM. For that the word of whoever
    certified the attestation key is taken, and a bare key with --ek alone stays unbound.
    Exit code 5 if anything of it is not so. Example: iolaus verify tpm --quote q.attest
    --signature q.sig --key ak.pem --nonce 872c...c0cb --pcrs q.pcrs --eventlog log.bin
    """
    from iolaus.app import evidence

    if (chain or ek) and not anchor:
        raise evidence.without_anchor("--chain" if chain else "--ek")
    files = {"quote": quote, "signature": signature, "key": key, "pcrs": pcrs,
             "event_log": eventlog, "chain": chain, "endorsement": ek}  # fmt: skip
    judged = evidence.tpm_from_files(
        files,
        nonce=evidence.read_nonce(nonce, evidence.TPM_NONCES),
        anchors=evidence.read_anchors(anchor) if anchor else None,
        at=evidence.read_at(at),
    )
    give_verdict(judged.verdict, output, judged.facts)


def verify_nvidia(
    evidence: Annotated[
        Path, typer.Argument(metavar="EVIDENCE", help="A JSON list, or one transcript in hex.")
    ],
    anchor: AnchorFiles,
    rim: Annotated[
        list[Path],
        typer.Option("--rim", metavar="FILE_OR_DIR...", help="Manifests of what should run."),
    ],
    rim_anchor: Annotated[
        list[Path],
        typer.Option("--rim-anchor", metavar="FILE...", help="Roots to trust for manifests."),
    ],
    chain: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificates, if not in EVIDENCE.")
    ] = None,
    nonce: Annotated[
        str | None, typer.Option(metavar="HEX", help="The nonce that was sent; else not judged.")
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify evidence of accelerators, and hold it against their maker's manifests.

    EVIDENCE comes first. Exit code 5 if anything is not so. Example: iolaus verify nvidia
    evidence.json --anchor device_root.pem --rim rims/ --rim-anchor rim_root.pem
    """
    from iolaus.app import evidence as work

    moment = work.read_at(at)
    judged = work.accelerators_from_files(
        evidence,
        chain,
        work.read_manifests(rim, rim_anchor, at=moment),
        nonce=None if nonce is None else work.read_nonce(nonce, work.SPDM_NONCES),
        anchors=work.read_anchors(anchor),
        at=moment,
    )
    give_verdict(judged.verdict, output, judged.facts)


def verify_pack(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A pack that `iolaus export evidence` wrote.")
    ],
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The signer's public key, got by another way."),
    ] = None,
    anchor: Annotated[
        list[Path] | None,
        typer.Option("--anchor", metavar="FILE...", help="Roots to trust instead of the pack's."),
    ] = None,
    at: At = None,
    output: FormOption = Form.TEXT,
) -> None:
    """Verify a pack of evidence: every byte as signed, and every verdict derived again.

    Without --key the signer is unknown: the evidence is judged, and what only the signer vouches
    for is left out. Without --at it is judged as of the pack's own time. The word pack may be
    left out. Exit code 5 if anything is not so.
    Example: iolaus verify pack.zip --key evidence.pub
    """
    from iolaus.app import evidence, packing

    judged = packing.pack_from_file(
        file,
        key=key,
        anchors=evidence.read_anchors(anchor) if anchor else None,
        at=evidence.read_at(at) if at else None,
    )
    give_verdict(judged.verdict, output, judged.facts)


VERIFY_COMMANDS: Final[Mapping[str, Callable[..., Any]]] = {
    "spdm": verify_spdm,
    "tpm": verify_tpm,
    "nvidia": verify_nvidia,
    **DOCUMENT_COMMANDS,
    "pack": verify_pack,
}
