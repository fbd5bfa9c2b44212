"""A TPM quote to a verdict, with its registers and its log (TPM 2.0 Library; TCG PC Client).

The quote signs one digest; values of registers are believed if they hash to it, and a log if its
replay gives those values. A log that does not is held against the evidence: the quote may be
genuine, but what was told beside it is not what was measured. An attestation key is worth what
binds it to a device; a bare key binds nothing, and that is said.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.model.trust import (
    Detail,
    Evidence,
    Finding,
    Identity,
    Measurement,
    Signature,
    Verdict,
)
from iolaus.trust.attester import Attester, read_attester
from iolaus.trust.chains import Anchors, ChainResult, Validity, judge_chain
from iolaus.trust.endorsement import Bound, bound
from iolaus.trust.signatures import (
    ALLOWED_HASHINGS,
    PublicKey,
    allowed_key,
    digest,
    load_public_key,
    signings_of,
    verifies,
)
from iolaus.wire.certificates import parse_certificates
from iolaus.wire.octets import EvidenceMalformed
from iolaus.wire.tpm.eventlog import EventLog, efi_variable, parse_event_log, replay
from iolaus.wire.tpm.pcrs import Values, parse_pcrs
from iolaus.wire.tpm.public import PublicArea, parse_public
from iolaus.wire.tpm.quote import Quote, QuoteSignature, parse_quote, parse_signature

_CURVES: Final[Mapping[str, type[ec.EllipticCurve]]] = {
    "p256": ec.SECP256R1,
    "p384": ec.SECP384R1,
    "p521": ec.SECP521R1,
}
_VARIABLE: Final = 0x80000001
_WHOLE: Final = frozenset((0x00000004, 0x80000001, 0x80000006, 0x80000007))
"""Events whose digest is of all their data: separator, variable, partition table, action."""


class TpmEvidence(msgspec.Struct, frozen=True, kw_only=True):
    """`quote` is TPMS_ATTEST or TPM2B_ATTEST, `signature` TPMT_SIGNATURE. `key` is the attestation
    key as TPM2B_PUBLIC, PEM or DER, or certificates of it (PEM or DER, leaf first or last).
    `pcrs` and `event_log` are None where there are none; `endorsement` is the certificate of the
    endorsement key with what stands above it (PEM), None where it is not shown; `chain` are the
    certificates of a key that is given bare."""

    quote: bytes
    signature: bytes
    key: bytes
    pcrs: bytes | None = None
    event_log: bytes | None = None
    endorsement: bytes | None = None
    chain: bytes | None = None


class TpmResult(msgspec.Struct, frozen=True, kw_only=True):
    """`measurements` are registers that a valid quote covers (else none); `log` is the log, and
    given only if its replay agrees with them."""

    verdict: Verdict
    measurements: tuple[Measurement, ...] = ()
    attester: Attester | None = None
    quote: Quote | None = None
    log: EventLog | None = None


def _finding(code: str, message: str, **detail: Detail) -> Finding:
    return Finding(code=code, message=message, detail=detail)


class _Key(msgspec.Struct, frozen=True):
    key: PublicKey
    chain: ChainResult | None = None
    area: PublicArea | None = None
    bound: Bound = Bound()
    beside: tuple[Finding, ...] = ()
    """What was shown for it and is not its own."""


def _of_area(area: PublicArea) -> PublicKey:
    try:
        if area.curve:
            x, y = int.from_bytes(area.x, "big"), int.from_bytes(area.y, "big")
            return ec.EllipticCurvePublicNumbers(x, y, _CURVES[area.curve]()).public_key()
        return rsa.RSAPublicNumbers(area.exponent, int.from_bytes(area.modulus, "big")).public_key()
    except ValueError:
        raise EvidenceMalformed("key-unreadable", "no key at all", subject="TPM key") from None


def _is_certificate(data: bytes) -> bool:
    if b"-----BEGIN CERTIFICATE-----" in data:
        return True
    try:
        x509.load_der_x509_certificate(data)
    except (ValueError, x509.InvalidVersion):
        return False
    return True


def _load_key(
    evidence: TpmEvidence, anchors: Anchors | None, at: float, validity: Validity
) -> _Key:
    bare = None if _is_certificate(evidence.key) else _bare(evidence.key)
    data = evidence.key if bare is None else evidence.chain
    if data is None:
        assert bare is not None
        return bare if evidence.endorsement is None else _with(bare, _NOT_BOUND)
    if bare is None and evidence.chain is not None:
        data = _pem(evidence.key) + _pem(evidence.chain)
    ders = parse_certificates(data, subject="TPM key")
    chain = judge_chain(ders, anchors or Anchors(), at=at, validity=validity)
    key = allowed_key(chain.leaf.public_key())
    if bare is not None and bare.key != key:
        return _with(bare, _OTHER_KEY)
    area = bare.area if bare else None
    if anchors is None:
        return _Key(key, area=area)
    tied = bound(chain, evidence.endorsement, anchors, at=at, validity=validity)
    return _Key(key, chain, area, bound=tied)


def _bare(data: bytes) -> _Key:
    if data[:1] == b"0" or data.lstrip().startswith(b"-----BEGIN"):
        return _Key(load_public_key(data))
    area = parse_public(data)
    return _Key(allowed_key(_of_area(area)), area=area)


def _with(bare: _Key, beside: Finding) -> _Key:
    return msgspec.structs.replace(bare, beside=(beside,))


def _pem(data: bytes) -> bytes:
    """Certificates in PEM, however they are given. Raises `EvidenceMalformed`."""
    ders = parse_certificates(data, subject="TPM key")
    held = (x509.load_der_x509_certificate(each) for each in ders)
    return b"".join(each.public_bytes(Encoding.PEM) for each in held)


_NOT_BOUND: Final = _finding(
    "endorsement-not-bound",
    "An endorsement certificate beside a bare key binds nothing: show the certificate of the key, "
    "or activate a credential with the TPM itself.",
)
_OTHER_KEY: Final = _finding(
    "chain-of-another-key", "The certificates that are shown are of another key than this one."
)


def _flat(signature: QuoteSignature, key: PublicKey) -> bytes | None:
    """As `verifies` takes it; None if it cannot be one of this key."""
    if signature.scheme != "ecdsa":
        return signature.parts[0]
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return None
    width = (key.curve.key_size + 7) // 8
    numbers = [part.lstrip(b"\0").rjust(width, b"\0") for part in signature.parts]
    return b"".join(numbers) if all(len(number) == width for number in numbers) else None


def _verified(quote: Quote, signature: QuoteSignature, key: PublicKey) -> Signature:
    flat = _flat(signature, key)
    named = f"{signature.scheme}-"
    signing = next((name for name in signings_of(key) if name.startswith(named)), "")
    if flat is None or not signing:
        return Signature.INVALID
    answer = verifies(
        key, flat, quote.attested, signing=signing, hashing=signature.hashing, any_salt=True
    )
    if answer is None:
        return Signature.UNVERIFIED
    return Signature.VALID if answer else Signature.INVALID


def _composite(quote: Quote, hashing: str, values: Values) -> bytes | None:
    """The digest over the selected registers, in the order of the selection; None where one is
    missing."""
    held = [values.get(bank.hashing, {}).get(n) for bank in quote.banks for n in bank.pcrs]
    if any(value is None for value in held) or hashing not in ALLOWED_HASHINGS:
        return None
    return digest(hashing, b"".join(value for value in held if value is not None))


def _replayed(quote: Quote, log: EventLog) -> Values:
    return {bank.hashing: replay(log, bank.hashing) for bank in quote.banks}


def _register_findings(quote: Quote, hashing: str, values: Values) -> Iterator[Finding]:
    found = _composite(quote, hashing, values)
    if found != quote.digest:
        yield _finding(
            "pcrs-not-quoted",
            "The register values are not those that were quoted.",
            expected=quote.digest.hex(),
            seen=found.hex() if found else "",
        )


def _log_findings(
    quote: Quote, hashing: str, replayed: Values, values: Values | None
) -> Iterator[Finding]:
    """The first register that the log does not give, where values are known; else the digest."""
    if _composite(quote, hashing, replayed) == quote.digest:
        return
    for bank in quote.banks if values is not None else ():
        for n in bank.pcrs:
            expected = (values or {}).get(bank.hashing, {}).get(n, b"")
            found = replayed[bank.hashing].get(n, b"")
            if found != expected:
                yield _finding(
                    "log-not-quoted",
                    f"The event log does not lead to PCR {n} ({bank.hashing}) as it was quoted.",
                    pcr=n,
                    bank=bank.hashing,
                    expected=expected.hex(),
                    seen=found.hex(),
                )
                return
    yield _finding("log-not-quoted", "The event log does not lead to what was quoted.")


def _events(log: EventLog, hashing: str) -> Iterator[Finding]:
    """What the log's events say, of a log that was quoted."""
    for number, event in enumerate(log.events):
        said = event.digests.get(hashing)
        faithful = said is not None and digest(hashing, event.data) == said
        if event.kind in _WHOLE and said is not None and not faithful:
            yield _finding(
                "event-data-differs",
                f"Event {number} ({event.name}) carries other data than was measured.",
                event=number,
                pcr=event.pcr,
            )
        variable = efi_variable(event) if event.kind == _VARIABLE and faithful else None
        if variable is not None and variable[0] == "SecureBoot" and variable[1] != b"\x01":
            told = "The host booted without Secure Boot."
            yield _finding("secure-boot-off", told, event=number, pcr=event.pcr)


def _weak_banks(quote: Quote) -> Iterator[Finding]:
    for bank in quote.banks:
        if bank.hashing not in ALLOWED_HASHINGS:
            told = f"The {bank.hashing} bank was quoted, which proves little."
            yield _finding("bank-weak", told, bank=bank.hashing)


def _binding(key: _Key) -> Iterator[Finding]:
    if key.area is not None and not key.area.attests:
        told = "The key is not restricted to what its TPM made: it can sign an invented quote."
        yield _finding("key-not-restricted", told, name=key.area.name.hex())
    if key.chain is not None:
        yield from key.chain.findings
        yield from key.bound.faults
    else:
        told = "Nothing binds this attestation key to an endorsement or device identity."
        yield _finding("key-unbound", told)
        yield from key.beside


def _broken(error: EvidenceMalformed) -> TpmResult:
    where = f"{error.subject}: {error.message}."
    found = _finding(error.reason, where, where=error.subject, offset=error.offset)
    verdict = Verdict(
        evidence=Evidence.MALFORMED, signature=Signature.UNVERIFIED, findings=(found,)
    )
    return TpmResult(verdict=verdict)


class _Told(msgspec.Struct, frozen=True):
    """What came beside the quote. `beside` are the findings that contradict it."""

    values: Values | None = None
    log: EventLog | None = None
    replayed: Values | None = None
    beside: tuple[Finding, ...] = ()


def _told(evidence: TpmEvidence, quote: Quote, hashing: str) -> _Told:
    """Raises `EvidenceMalformed`."""
    values = parse_pcrs(evidence.pcrs, quote.banks) if evidence.pcrs is not None else None
    log = parse_event_log(evidence.event_log) if evidence.event_log is not None else None
    replayed = _replayed(quote, log) if log else None
    beside: list[Finding] = []
    if values is not None:
        beside += _register_findings(quote, hashing, values)
    if replayed is not None:
        beside += _log_findings(quote, hashing, replayed, values)
    return _Told(values, log, replayed, tuple(beside))


def _measurements(quote: Quote, values: Values) -> tuple[Measurement, ...]:
    return tuple(
        Measurement(index=n, kind="pcr", value=values[bank.hashing][n], algorithm=bank.hashing)
        for bank in quote.banks
        for n in bank.pcrs
    )


def _identity(key: _Key) -> Identity | None:
    """None where nobody asked whose key it is, and it can be a TPM's."""
    if key.area is not None and not key.area.attests:
        return Identity.UNANCHORED
    if key.bound.faults or key.beside:
        return Identity.UNANCHORED
    return key.chain.identity if key.chain else None


def _attester(key: _Key) -> Attester | None:
    """Who signs: of a TPM whose endorsement key is named, that names it for as long as it lives,
    whatever attestation keys it makes."""
    found = read_attester(key.chain.linked) if key.chain else None
    if found is None or not key.bound.pin:
        return found
    return msgspec.structs.replace(found, pin=key.bound.pin, key=found.pin)


def judge_tpm(
    evidence: TpmEvidence,
    *,
    nonce: bytes,
    anchors: Anchors | None = None,
    at: float,
    validity: Validity = Validity.ENFORCED,
) -> TpmResult:
    """Judge a quote at a time (seconds since 1970). The identity is None for a bare key, which is
    as good as whoever gave it, and where no anchors are given, so that it is not asked; reference
    and lifecycle are left out. Pure; never raises."""
    try:
        quote = parse_quote(evidence.quote)
        signature = parse_signature(evidence.signature)
        key = _load_key(evidence, anchors, at, validity)
        attester = _attester(key)
        told = _told(evidence, quote, signature.hashing)
    except EvidenceMalformed as error:
        return _broken(error)
    verified = _verified(quote, signature, key.key)
    return _judged(quote, nonce, verified, key, told, attester)


def _judged(
    quote: Quote,
    nonce: bytes,
    signature: Signature,
    key: _Key,
    told: _Told,
    attester: Attester | None,
) -> TpmResult:
    stale = [] if quote.nonce == nonce else [
        _finding("nonce-mismatch", "The signed nonce is not the one that was sent.",
                 expected=nonce.hex(), seen=quote.nonce.hex())
    ]  # fmt: skip
    wrong = [] if signature is Signature.VALID else [
        _finding(f"signature-{signature}", "The signature is not that of this key over this quote.")
    ]  # fmt: skip
    good = signature is Signature.VALID and not told.beside
    log = told.log if good else None
    values = told.values or told.replayed if good else None
    bank = next((b.hashing for b in quote.banks if b.hashing in ALLOWED_HASHINGS), "")
    events = list(_events(log, bank)) if log and bank else []
    verdict = Verdict(
        evidence=Evidence.MALFORMED if told.beside else Evidence.STALE if stale else Evidence.FRESH,
        signature=signature,
        identity=_identity(key),
        findings=(
            *wrong,
            *stale,
            *told.beside,
            *_binding(key),
            *_weak_banks(quote),
            *events,
            *key.bound.notes,
        ),
    )
    return TpmResult(
        verdict=verdict,
        measurements=_measurements(quote, values) if values is not None else (),
        attester=attester,
        quote=quote,
        log=log,
    )
