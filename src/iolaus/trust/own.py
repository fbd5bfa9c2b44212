"""Reference values of our own, signed here.

A maker does not publish values for everything. An operator who stands by values signs them; they
are a CoRIM then like any maker's, with the operator's key as anchor, so that there is one way in
for all of them. What was only measured here is `learning`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from iolaus.kernel.errors import OperatorMust
from iolaus.model.reference import ReferenceSet, ReferenceValue
from iolaus.trust.manifests import BASELINE_ID
from iolaus.trust.signing import CURVES, HASHES
from iolaus.wire.corim.measured import ALGORITHMS

_NUMBERS: Final = {word: number for number, word in ALGORITHMS.items() if number > 0}
_COSE: Final = {"ES256": -7, "ES384": -35, "ES512": -36}
_CORIM, _COMID, _SIGN1, _SVN, _SVN_LEAST, _RAW, _EPOCH = 501, 506, 18, 552, 553, 560, 1


def write_baseline(
    sets: Sequence[ReferenceSet],
    key: ec.EllipticCurvePrivateKey,
    *,
    name: str,
    not_before: float,
    not_after: float,
) -> bytes:
    """A signed CoRIM of these sets (COSE_Sign1 over tag 501), valid between the two times in
    seconds since 1970. Raises `OperatorMust` for a key of another curve than P-256, P-384, P-521.
    """
    algorithm = next((a for a, curve in CURVES.items() if curve == key.curve.name), None)
    if algorithm is None:
        raise _wrong(f"the curve {key.curve.name}", "sign with a key on P-256, P-384 or P-521.")
    comid = {1: {0: name}, 4: {0: [_triple(each) for each in sets]}}
    inner = cbor2.CBORTag(_COMID, cbor2.dumps(comid))
    validity = {0: cbor2.CBORTag(_EPOCH, not_before), 1: cbor2.CBORTag(_EPOCH, not_after)}
    corim = {0: f"{BASELINE_ID}{name}", 1: [inner], 4: validity}
    payload = cbor2.dumps(cbor2.CBORTag(_CORIM, corim), canonical=True)
    protected = cbor2.dumps({1: _COSE[algorithm], 3: "application/rim+cbor"}, canonical=True)
    data = cbor2.dumps(["Signature1", protected, b"", payload])
    r, s = utils.decode_dss_signature(key.sign(data, ec.ECDSA(HASHES[algorithm[2:]])))
    width = (key.key_size + 7) // 8
    signature = r.to_bytes(width, "big") + s.to_bytes(width, "big")
    return cbor2.dumps(cbor2.CBORTag(_SIGN1, [protected, {}, payload, signature]))


def _triple(references: ReferenceSet) -> list[Any]:
    words = {1: references.vendor, 2: references.model}
    environment = {key: word for key, word in words.items() if word}
    return [{0: environment}, [_measured(each) for each in references.values if each.active]]


def _measured(value: ReferenceValue) -> dict[int, Any]:
    found: dict[int, Any] = {}
    if value.version:
        found[0] = {0: value.version}
    if value.svn is not None:
        found[1] = cbor2.CBORTag(_SVN_LEAST if value.svn_least else _SVN, value.svn)
    if value.digests:
        found[2] = [[_NUMBERS.get(d.algorithm, d.algorithm), d.value] for d in value.digests]
    if value.raw is not None:
        found[4] = cbor2.CBORTag(_RAW, value.raw)
        found.update({5: value.mask} if value.mask is not None else {})
    return {**({} if value.index is None else {0: value.index}), 1: found}


def read_private_key(data: bytes, *, subject: str) -> ec.EllipticCurvePrivateKey:
    """An unencrypted EC key in PEM. Raises `OperatorMust`; the key never stands in the error."""
    try:
        key = serialization.load_pem_private_key(data, None)
    except (ValueError, TypeError):
        raise _wrong(subject, "give an EC private key as PEM without a password.") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _wrong(subject, "give an EC private key as PEM without a password.")
    return key


def _wrong(subject: str, next_step: str) -> OperatorMust:
    return OperatorMust(
        "no key that can sign reference values",
        operation="sign",
        subject=subject,
        code="KeyUnusable",
        next_step=next_step,
    )
