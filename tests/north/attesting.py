"""Attestation without devices: a port that behaves. Each node of the test hall has two attesters;
the first node's second one is untrusted, the second node's were never answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iolaus.model.appraisal import Appraisal, AttesterKey, Examined
from iolaus.model.decision import Named
from iolaus.model.evidence import Attester, Exhibit, Outcome, Protocol, Question
from iolaus.model.policy import Policy
from iolaus.model.trust import (
    Evidence,
    Finding,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Verdict,
)
from iolaus.north.context import Context
from iolaus.store.evidence import Kept
from tests.north import hall

GOOD = Verdict(
    evidence=Evidence.FRESH, signature=Signature.VALID, identity=Identity.PINNED,
    reference=Reference.MATCH, lifecycle=Lifecycle.OK,
)  # fmt: skip
BAD = Verdict(
    evidence=Evidence.FRESH, signature=Signature.VALID, identity=Identity.PINNED,
    reference=Reference.MISMATCH, lifecycle=Lifecycle.OK,
    findings=(Finding(code="measurement-differs", message="measurement 2 is not as it should be",
                      detail={"index": 2, "seen": "ab"}),),
)  # fmt: skip
SILENT = Verdict(
    evidence=Evidence.NONE, signature=Signature.UNVERIFIED, identity=Identity.UNANCHORED,
    reference=Reference.NONE,
)  # fmt: skip


class Attesting:
    """`north`'s port `Attests` over the test hall."""

    def __init__(self, context: Context) -> None:
        self.revision = 1
        self.policies: list[Policy] = []
        self.ordered: list[str] = []
        self.enrolled: list[tuple[str, str]] = []
        self._held: dict[AttesterKey, Appraisal] = {}
        for number, held in enumerate(context.facts.all_held()):
            for name in ("BMC_RoT", "GPU_RoT") if hall.SYSTEM in held.uids else ():
                verdict = SILENT if number == 1 else GOOD
                verdict = BAD if (number, name) == (0, "GPU_RoT") else verdict
                self._add(held.target.address, held.uids[hall.SYSTEM], name, verdict)

    def _add(self, endpoint: str, asset: str, name: str, verdict: Verdict) -> None:
        uri = f"/redfish/v1/ComponentIntegrity/{name}"
        at = None if verdict is SILENT else 0.0
        self._held[endpoint, uri] = Appraisal(
            endpoint=endpoint, uri=uri, name=name, asset=asset, key=hall.SYSTEM, protocol="SPDM",
            verdict=verdict, judged_at=0.0, since=0.0, asked_at=at, tried_at=0.0, exhibit=1,
            identity="ab" * 32,
        )  # fmt: skip

    def appraisals(self) -> Sequence[Appraisal]:
        return list(self._held.values())

    def of_asset(self, asset: str) -> Sequence[Appraisal]:
        return [each for each in self._held.values() if each.asset == asset]

    def order(self, address: str) -> None:
        self.ordered.append(address)

    async def evidence(self, place: AttesterKey) -> Sequence[Kept]:
        held = self._held[place]
        attester = Attester(name=held.name, asset=held.key, uri=held.uri, protocol=Protocol.SPDM)
        exhibit = Exhibit(
            endpoint=place[0], asset=held.asset, attester=attester, asked_at=0.0, answered_at=0.0,
            outcome=Outcome.ANSWERED, question=Question(nonce=bytes(32)), measurements=b"signed",
        )  # fmt: skip
        return [Kept(number=1, exhibit=exhibit, digest="cd" * 32, turned=True)]

    async def examined(self, kept: Kept) -> Examined:
        held = self._held[kept.exhibit.endpoint, kept.exhibit.attester.uri]
        return Examined(verdict=held.verdict, identity=held.identity)

    async def enrol(self, place: AttesterKey, *, by: str) -> bool:
        self.enrolled.append((place[1], by))
        return self._held[place].verdict is not SILENT

    async def pack(self, named: Mapping[AttesterKey, Named]) -> bytes:
        told = (f"{found.node}:{uri}" for (_, uri), found in named.items())
        return " ".join(sorted(told)).encode()

    async def pack_key(self) -> bytes:
        return b"-----BEGIN PUBLIC KEY-----\n"
