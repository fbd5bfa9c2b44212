"""Packs of evidence, put together from the house and taken apart from a file.

The key that signs them is made when it is first needed, and kept sealed beside the credentials
(`store.secrets`); its public half is what `iolaus export evidence-key` writes. Whoever verifies
must have that from the house and not from the pack.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iolaus.app.evidence import Judged, read_file
from iolaus.kernel.clock import Clock
from iolaus.kernel.errors import OperatorMust
from iolaus.model.appraisal import Appraisal, AttesterKey
from iolaus.model.decision import Named
from iolaus.model.evidence import Exhibit
from iolaus.model.policy import Policy
from iolaus.model.trust import Evidence, Finding, Signature, Summary, Verdict
from iolaus.store.files import check_private, replace_file
from iolaus.store.state import State
from iolaus.trust.chains import Anchors
from iolaus.trust.derive import PackJudged, judge_pack, with_decided, with_derived
from iolaus.trust.ledger import TrustLedger
from iolaus.trust.packs import Entry, Opened, Pack, documents_of, open_pack, write_pack
from iolaus.trust.signing import read_key
from iolaus.wire.archive import MOST_BYTES
from iolaus.wire.octets import EvidenceMalformed

KEY_FILE: Final = "evidence-signing"
_LABEL: Final = b"iolaus-evidence-key-1\n"
_CHANGED: Final = frozenset(("pack-signature", "pack-changed", "pack-incomplete"))


class Packing:
    """What the house can prove, for somebody else."""

    def __init__(self, *, state: State, ledger: TrustLedger, clock: Clock) -> None:
        self._state, self._ledger, self._clock = state, ledger, clock
        self._one_at_a_time = asyncio.Lock()

    async def public_key(self) -> bytes:
        """PEM."""
        async with self._one_at_a_time:
            key = await asyncio.to_thread(self._key)
        return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    async def pack(
        self,
        named: Mapping[AttesterKey, Named],
        policies: Sequence[Policy] = (),
    ) -> bytes:
        """Of these attesters, to their nodes, and what counts of them by `policies`.
        Raises `OperatorMust`, `WeErred`."""
        async with self._one_at_a_time:
            exhibits, entries = dict[int, Exhibit](), list[Entry]()
            for held in self._ledger.appraisals():
                if (wanted := named.get(held.place)) is not None:
                    kept = (await self._state.evidence.of(held.place))[::-1]
                    exhibits |= {each.number: each.exhibit for each in kept}
                    entries.append(self._entry(held, wanted, tuple(each.number for each in kept)))
            ground, at = self._ledger.ground, self._clock.now()
            documents = [each.data for each in self._state.references.all().values()]

            def written() -> bytes:
                pack = Pack(
                    at=at,
                    entries=tuple(entries),
                    exhibits=exhibits,
                    anchors=ground.anchors,
                    references=ground.references,
                    documents=documents_of(ground.references, documents),
                    rules=ground.rules,
                    policies=tuple(policies),
                )
                return write_pack(with_derived(with_decided(pack)), self._key())

            return await asyncio.to_thread(written)

    def _entry(self, held: Appraisal, named: Named, exhibits: tuple[int, ...]) -> Entry:
        pin, _ = self._ledger.enrolled(held.asset, held.name, held.identity)
        identity = pin.identity if pin else held.identity
        return Entry(
            node=named.node,
            name=held.name,
            endpoint=held.endpoint,
            uri=held.uri,
            exhibits=exhibits,
            standing=held.verdict,
            parts=held.parts,
            said=named.said,
            pin=pin,
            elsewhere=self._ledger.enrolled(held.asset, held.name, identity)[1],
        )

    def _key(self) -> ed25519.Ed25519PrivateKey:
        path = self._state.directory / KEY_FILE
        if not path.exists():
            fresh = ed25519.Ed25519PrivateKey.generate()
            sealed = self._state.secrets.seal(fresh.private_bytes_raw(), label=_LABEL)
            replace_file(path, sealed)
            return fresh
        check_private(path, operation="sign evidence")
        raw = self._state.secrets.unseal(path.read_bytes(), label=_LABEL, what=path)
        return ed25519.Ed25519PrivateKey.from_private_bytes(raw)


def pack_from_file(
    path: Path, *, key: Path | None, anchors: Anchors | None, at: float | None
) -> Judged:
    """Judge a pack. Raises `OperatorMust` for files that cannot be read, or a key that is none."""
    signer = _signer(key) if key else None
    try:
        opened = open_pack(read_file(path, most=MOST_BYTES))
    except EvidenceMalformed as error:
        return _refused(error)
    if signer is not None and opened.signer != signer:
        return Judged(_of_another(opened.signer, signer), (("signer", opened.signer),))
    found = judge_pack(opened, known=signer is not None, at=at, anchors=anchors)
    return Judged(found.verdict, _facts(opened, found, known=signer is not None))


def _signer(path: Path) -> str:
    key = read_key(read_file(path))
    if not isinstance(key, ed25519.Ed25519PublicKey):
        raise OperatorMust(
            "this is no public key that signs packs (Ed25519)",
            operation="read option",
            subject=str(path),
            code="BadOption",
            next_step="give the file that `iolaus export evidence-key` wrote.",
        )
    return key.public_bytes_raw().hex()


def _refused(error: EvidenceMalformed) -> Judged:
    changed = error.reason in _CHANGED
    return Judged(
        Verdict(
            evidence=Evidence.MALFORMED,
            signature=Signature.INVALID if changed else Signature.UNVERIFIED,
            findings=(Finding(code=error.reason, message=f"{error.message}."),),
        )
    )


def _of_another(signer: str, expected: str) -> Verdict:
    told = Finding(
        code="signer-other",
        message="Another key signed it than the one that was given.",
        detail={"expected": expected, "seen": signer},
    )
    return Verdict(signature=Signature.INVALID, findings=(told,))


def _facts(opened: Opened, found: PackJudged, *, known: bool) -> tuple[tuple[str, str], ...]:
    counts = dict.fromkeys(Summary, 0)
    for each in found.each.values():
        counts[each.summary] += 1
    told = ", ".join(f"{count} {word.value}" for word, count in counts.items() if count)
    told_again = f"{len(found.differing)} differ" if found.differing else "all as the pack says"
    pack = opened.pack
    said = (each.decision for each in pack.entries if each.decision)
    decisions = found.decided.values() if known else said
    counted = Counter(each.standing.value for each in decisions)
    policy = ", ".join(f"{count} {word}" for word, count in sorted(counted.items()))
    whose = "by policy" if known else "by policy, as the pack says"
    holds = f"{len(pack.exhibits)} exhibits, {len(pack.references)} references"
    return (
        ("signer", opened.signer + ("" if known else " (unknown)")),
        ("attesters", f"{len(found.each)}: {told}"),
        ("derived", told_again),
        *([(whose, policy)] if policy else []),
        ("holds", f"{holds}, {len(pack.anchors.certificates)} anchors"),
    )
