"""A root of trust that speaks SPDM: asked for measurements, it answers with a transcript.

One question of Redfish may be several of SPDM: indices other than ALL are asked for one by one,
and the last answer is signed for all of them (L1/L2). The responder's nonces follow from its
seed and from how often it was asked, so that a run can be repeated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from iolaus.sim.personas.parts.trust import SpdmRoot
from iolaus.sim.personas.sketch import uri
from iolaus.sim.roots import spdm
from iolaus.sim.roots.algorithms import HASHINGS, SIGNINGS, sign
from iolaus.sim.roots.asking import Refused, Setting
from iolaus.sim.roots.chain import Certified, identity
from iolaus.sim.roots.firmware import Image
from iolaus.sim.roots.keys import noise
from iolaus.sim.roots.lies import BAD_SIGNATURE, DEBUG, REPLAY, WRONG_NONCE
from iolaus.sim.roots.measure import DEBUGGED, NORMAL, Block, measured
from iolaus.sim.roots.opaque import format_bit, opaque_data
from iolaus.sim.roots.spdm import ALL, Asked, Suite

_CONTEXT = b"IOLAUSIM"


@dataclass(frozen=True, slots=True)
class Responder:
    root: SpdmRoot
    setting: Setting

    @property
    def suite(self) -> Suite:
        root = self.root
        form = format_bit(root.opaque)
        return Suite.of(root.version, root.signing, root.hashing, opaque_format=form)

    def certified(self, slot: int) -> Certified:
        return identity(self.setting.signer(), slot)

    def running(self) -> list[Image]:
        """The images that really run."""
        return self.setting.running(self.claimed())

    def claimed(self) -> list[Image]:
        return self.setting.claimed([uri(entry) for entry in self.root.firmware])

    def blocks(self) -> list[Block]:
        """What is measured now."""
        root, setting = self.root, self.setting
        claimed = self.claimed()
        return measured(
            root.model,
            claimed,
            running=setting.running(claimed),
            hashing=HASHINGS[root.hashing],
            raw=root.raw,
            mode=DEBUGGED if setting.lying(DEBUG) else NORMAL,
        )

    def check(self, indices: Sequence[int], slot: int) -> None:
        """Raises Refused for what this root does not have."""
        if slot not in self.root.slots:
            raise Refused("SlotId", str(slot))
        known = {ALL, 0} | {block.index for block in self.blocks()}
        for index in indices:
            if index not in known:
                raise Refused("MeasurementIndices", str(index))

    def transcript(self, nonce: bytes, indices: Sequence[int] = (ALL,), slot: int = 0) -> bytes:
        """The bytes of SignedMeasurements. Raises Refused."""
        self.check(indices, slot)
        blocks = self.blocks()
        if self.setting.lying(REPLAY):
            return self._replayed(blocks, indices, slot)
        if self.setting.lying(WRONG_NONCE):
            nonce = bytes([nonce[0] ^ 1]) + nonce[1:]
        return self._signed(blocks, nonce, indices, slot)

    def _replayed(self, blocks: list[Block], indices: Sequence[int], slot: int) -> bytes:
        """The first answer that was asked for of this kind, for a nonce of long ago."""
        kept, key = self.setting.replayed, f"{slot} {list(indices)}"
        if key not in kept:
            old = noise("nonce of long ago", self.setting.who.serial)
            kept[key] = self._signed(blocks, old, indices, slot)
        return kept[key]

    def _signed(
        self, blocks: list[Block], nonce: bytes, indices: Sequence[int], slot: int
    ) -> bytes:
        suite, root = self.suite, self.root
        opaque = opaque_data(root.opaque, suite.minor, root.model, self.claimed())
        last = len(indices) - 1
        questions = [
            Asked(index, nonce, slot, sign=n == last, raw=root.raw, context=_CONTEXT)
            for n, index in enumerate(indices)
        ]

        def answer(asked: Asked) -> bytes:
            return spdm.response(suite, asked, blocks, nonce=self._nonce(), opaque=opaque)

        return spdm.transcript(suite, questions, answer, lambda data: self._sign(data, slot))

    def _nonce(self) -> bytes:
        self.setting.asked += 1
        return noise("responder", self.setting.who.serial, str(self.setting.asked))

    def _sign(self, data: bytes, slot: int) -> bytes:
        root = self.root
        key, hashing = self.certified(slot).key, HASHINGS[root.hashing]
        made = sign(key, data, signing=SIGNINGS[root.signing], hashing=hashing)
        if self.setting.lying(BAD_SIGNATURE):
            return made[:-1] + bytes([made[-1] ^ 1])
        return made
