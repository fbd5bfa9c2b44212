"""The evidence pack: all that verdicts rest on, in one signed file that stands for itself.

An auditor has no server of ours, and should need none. A pack holds what components signed as the
bytes that came, with the questions that they answer; the anchors, references (as values and as
the documents that said so) and the policy that were judged by; and the verdicts, as derived from
exactly this. The manifest lists the SHA-256 of every file and is signed with Ed25519 (RFC 8032);
the archive has no byte that is not in one of them (`wire.archive`). The key that is named inside
proves only that the pack is whole: whose it is must be known from elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.kernel.errors import OperatorMust
from iolaus.model.appraisal import Pin
from iolaus.model.decision import Decision, Said
from iolaus.model.evidence import Exhibit, Shown
from iolaus.model.policy import Policy
from iolaus.model.reference import ReferenceSet
from iolaus.model.trust import Verdict
from iolaus.trust.appraise import Rules
from iolaus.trust.chains import Anchors, load_anchors
from iolaus.wire.archive import parse_archive, write_archive
from iolaus.wire.octets import EvidenceMalformed

FORMAT: Final = "iolaus-evidence-pack/1"
_DOMAIN: Final = b"iolaus evidence pack 1\n"
_MANIFEST, _SIGNATURE = "manifest.json", "manifest.sig"
_POLICY, _REFERENCES, _VERDICTS = "policy.json", "references.json", "verdicts.json"
_POLICIES: Final = "policies.json"
_RAW: Final[Mapping[str, str]] = {
    "measurements": "measurements.bin",
    "chain": "chain.pem",
    "endorsement": "endorsement.pem",
    "log": "log.bin",
    "secure_boot": "secure-boot.json",
}
T = TypeVar("T")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One attester. `exhibits` number its evidence, oldest first; `parts` are those that it
    matched before; `pin` is who was enrolled, `elsewhere` where else that identity is. `standing`
    is the verdict that stood in the house, `derived` the one that follows from this pack;
    `decision` is what counted of it by the house's policies, and `said` what the node said to
    these."""

    node: str
    name: str
    endpoint: str
    uri: str
    exhibits: tuple[int, ...]
    standing: Verdict
    derived: Verdict = Verdict()
    parts: tuple[str, ...] = ()
    pin: Pin | None = None
    elsewhere: tuple[str, ...] = ()
    decision: Decision | None = None
    said: Mapping[str, Said] = {}

    @property
    def label(self) -> str:
        return f"{self.node}:{self.name}"


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """`at` is when it was judged (seconds since 1970); `exhibits` by number; `documents` the
    files that references were read from, by their SHA-256 (hex); `policies` the operator's."""

    at: float
    entries: tuple[Entry, ...]
    exhibits: Mapping[int, Exhibit]
    anchors: Anchors = Anchors()
    references: tuple[ReferenceSet, ...] = ()
    documents: Mapping[str, bytes] = {}
    rules: Rules = Rules()
    policies: tuple[Policy, ...] = ()


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`files` are SHA-256 (hex) by name; `signer` is the raw Ed25519 public key in hex."""

    format: str
    at: float
    signer: str
    files: dict[str, str]


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """A pack of which every byte is as its signer left it."""

    pack: Pack
    signer: str


def write_pack(pack: Pack, key: ed25519.Ed25519PrivateKey) -> bytes:
    """The archive, signed. The same pack and key give the same bytes. Raises `OperatorMust` where
    it is more than one archive holds."""
    files = dict(_files(pack))
    manifest = Manifest(
        format=FORMAT,
        at=pack.at,
        signer=key.public_key().public_bytes_raw().hex(),
        files={name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())},
    )
    told = _json(manifest)
    files |= {_MANIFEST: told, _SIGNATURE: key.sign(_DOMAIN + told)}
    try:
        return write_archive(files)
    except ValueError as error:
        raise OperatorMust(
            str(error),
            operation="export evidence",
            subject="pack",
            code="PackTooLarge",
            next_step="name fewer nodes, and write several packs.",
        ) from None


def open_pack(data: bytes) -> Opened:
    """Raises `EvidenceMalformed` unless every byte is as it was signed."""
    files = parse_archive(data)
    told, signature = files.pop(_MANIFEST, b""), files.pop(_SIGNATURE, b"")
    manifest = _decoded(told, Manifest, _MANIFEST)
    if manifest.format != FORMAT:
        raise _wrong("unknown-format", f"its format is not {FORMAT}")
    if not _is_signed(manifest.signer, told, signature):
        raise _wrong("pack-signature", "the manifest is not as it was signed")
    if files.keys() != manifest.files.keys():
        raise _wrong("pack-incomplete", "it does not hold the files that were signed")
    for name, content in files.items():
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise _wrong("pack-changed", f"{name} is not as it was signed")
    return Opened(pack=_read(files, manifest.at), signer=manifest.signer)


def _is_signed(signer: str, told: bytes, signature: bytes) -> bool:
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer))
        key.verify(signature, _DOMAIN + told)
    except (ValueError, InvalidSignature):
        return False
    return True


# --- what is in it ------------------------------------------------------------------------------


def _files(pack: Pack) -> Iterator[tuple[str, bytes]]:
    yield _POLICY, _json(pack.rules)
    if pack.policies:
        yield _POLICIES, _json(pack.policies)
    yield _REFERENCES, _json(pack.references)
    yield _VERDICTS, _json(pack.entries)
    for number, certificate in enumerate(pack.anchors.certificates):
        yield f"anchors/{number}.der", certificate.public_bytes(Encoding.DER)
    for digest, data in pack.documents.items():
        yield f"documents/{digest}", data
    for number, exhibit in pack.exhibits.items():
        yield from _exhibit_files(f"evidence/{number}", exhibit)


def _exhibit_files(folder: str, exhibit: Exhibit) -> Iterator[tuple[str, bytes]]:
    shown = exhibit.shown
    bare = msgspec.structs.replace(
        exhibit, measurements=b"", shown=Shown(missing=dict(shown.missing))
    )
    yield f"{folder}/exhibit.json", _json(bare)
    for field, name in _RAW.items():
        raw = exhibit.measurements if field == "measurements" else getattr(shown, field)
        if raw:
            yield f"{folder}/{name}", raw


def _read(files: Mapping[str, bytes], at: float) -> Pack:
    entries = _decoded(files.get(_VERDICTS, b""), tuple[Entry, ...], _VERDICTS)
    numbers = sorted({number for each in entries for number in each.exhibits})
    documents = {n.partition("/")[2]: d for n, d in files.items() if n.startswith("documents/")}
    certificates = (files[name] for name in sorted(files) if name.startswith("anchors/"))
    return Pack(
        at=at,
        entries=entries,
        exhibits={number: _exhibit(files, number) for number in numbers},
        anchors=load_anchors(certificates),
        references=_decoded(files.get(_REFERENCES, b""), tuple[ReferenceSet, ...], _REFERENCES),
        documents=documents,
        rules=_decoded(files.get(_POLICY, b""), Rules, _POLICY),
        policies=_decoded(files.get(_POLICIES, b"[]"), tuple[Policy, ...], _POLICIES),
    )


def _exhibit(files: Mapping[str, bytes], number: int) -> Exhibit:
    folder = f"evidence/{number}"
    bare = _decoded(files.get(f"{folder}/exhibit.json", b""), Exhibit, folder)
    raw = {field: files.get(f"{folder}/{name}", b"") for field, name in _RAW.items()}
    measurements = raw.pop("measurements")
    shown = Shown(missing=bare.shown.missing, **raw)
    return msgspec.structs.replace(bare, measurements=measurements, shown=shown)


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _decoded(data: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise _wrong("pack-unreadable", f"{name} cannot be read: {error}") from None


def _wrong(reason: str, message: str) -> EvidenceMalformed:
    return EvidenceMalformed(reason, message, subject="pack")


def documents_of(references: Iterable[ReferenceSet], found: Sequence[bytes]) -> dict[str, bytes]:
    """Of these documents those that the references were read from, by SHA-256 (hex)."""
    wanted = {each.provenance.digest for each in references}
    named = {hashlib.sha256(each).hexdigest(): each for each in found}
    return {digest: data for digest, data in named.items() if digest in wanted}
