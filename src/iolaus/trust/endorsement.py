"""Whose attestation key it is: what its certificate says of a TPM's endorsement key. Pure.

A TPM has one endorsement key for as long as it lives, and its maker certifies it; attestation keys
are made and made anew. Which belongs to which is said by whoever certified the attestation key, in
its hardware module name: maker, authority key id and serial number of the endorsement certificate
(TCG, TPM 2.0 Keys for Device Identity and Attestation, 8). That is signed, so it identifies the TPM
whatever its controller shows beside it; the endorsement certificate itself, where it is shown, must
be the one that was named, and should lead to an anchor. No credential is activated: the word is
that of the certificate's authority.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

import msgspec
from cryptography import x509

from iolaus.model.trust import Detail, Finding, Identity
from iolaus.trust.chains import Anchors, ChainResult, Validity, fingerprint, judge_chain, name_of
from iolaus.wire.certificates import parse_certificates
from iolaus.wire.dice import parse_module_name

MODULE: Final = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.4")
_NO_SIGNER: Final = "key-usage"
"""An endorsement key decrypts and never signs."""


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """`pin` names the endorsement key that the attestation key was certified for (hex, "": none).
    `faults` speak against the identity, `notes` do not."""

    pin: str = ""
    faults: tuple[Finding, ...] = ()
    notes: tuple[Finding, ...] = ()


def bound(
    chain: ChainResult, shown: bytes | None, anchors: Anchors, *, at: float, validity: Validity
) -> Bound:
    """What ties the leaf of `chain` to an endorsement key. `shown` is the endorsement certificate
    (PEM, with what stands above it) that came beside it, empty or None where none did. Raises
    `EvidenceMalformed`."""
    module = _module_of(chain.leaf)
    if module is None:
        told = "Its certificate names no endorsement key; that it is a TPM's is its issuer's word."
        return Bound(notes=(_finding("endorsement-unnamed", told),))
    named = module.decode("ascii", "replace")
    pin = hashlib.sha256(module).hexdigest() if chain.identity is Identity.ANCHORED else ""
    if not shown:
        told = "It was certified for an endorsement key whose certificate is not shown."
        return Bound(pin=pin, notes=(_finding("endorsement-missing", told, named=named),))
    found = judge_chain(
        parse_certificates(shown, subject="endorsement"), anchors, at=at, validity=validity
    )
    leaf = found.leaf
    detail: dict[str, Detail] = {"named": named, "sha256": fingerprint(leaf)}
    if not _is_named(leaf, named):
        told = "It was certified for another endorsement key than the one that is shown."
        return Bound(pin=pin, faults=(_finding("endorsement-differs", told, **detail),))
    return Bound(pin=pin, notes=tuple(_said(found, detail)))


def _said(found: ChainResult, detail: dict[str, Detail]) -> Iterator[Finding]:
    faults = [each.message for each in found.faults if each.code != _NO_SIGNER]
    subject = name_of(found.leaf.subject)
    if faults:
        told = f"The endorsement key {subject} leads to no anchor of ours: {faults[0]}"
        yield _finding("endorsement-unanchored", told, **detail)
    else:
        told = f"It was certified for the endorsement key {subject}, which leads to an anchor."
        yield _finding("key-bound", told, **detail)


def _module_of(leaf: x509.Certificate) -> bytes | None:
    """The number in its hardware module name; None where it has none."""
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    held = (n for n in names.get_values_for_type(x509.OtherName) if n.type_id == MODULE)
    found = next(held, None)
    return parse_module_name(found.value) if found else None


def _is_named(endorsement: x509.Certificate, named: str) -> bool:
    """`named`: maker, authority key id and serial number in hex, between colons."""
    parts = named.lower().split(":")
    try:
        above = endorsement.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return False
    issuer = (above.key_identifier or b"").hex()
    serial = f"{endorsement.serial_number:x}"
    return len(parts) == 3 and parts[1] == issuer and parts[2].lstrip("0") == serial


def _finding(code: str, message: str, **detail: Detail) -> Finding:
    return Finding(code=code, message=message, detail=detail)
