"""Learning from components that agree: labelled, of those who proved who they are, no majority."""

from __future__ import annotations

import msgspec
import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.model.evidence import Attester, Exhibit, Outcome, Protocol, Question, Shown
from iolaus.model.reference import KeptReference, SourceKind
from iolaus.model.trust import Identity, Reference, Signature, Summary
from iolaus.sim.roots.algorithms import SHA256
from iolaus.sim.roots.chain import anchors as anchors_of
from iolaus.sim.roots.lies import Lie
from iolaus.sim.roots.questions import TpmQuestion
from iolaus.trust.appraise import Judged, Rules, appraise
from iolaus.trust.chains import Anchors
from iolaus.trust.learning import Witness, learned
from iolaus.trust.signing import read_anchors
from tests.sim.roots.world import NONCE, SEED, machine, platform, responder

AT = 1_790_000_000.0
ANCHORS = Anchors(read_anchors([("hall.pem", anchors_of(SEED).encode())]).certificates)


def spdm(*lies: Lie, gpu: str = "97.10.3A.00.07") -> Exhibit:
    root = responder(*lies, host=machine(GPU_3=gpu), version="1.2")
    attester = Attester(name="R", asset="S", uri="/R", protocol=Protocol.SPDM)
    return Exhibit(
        endpoint="https://b", asset="a", attester=attester, asked_at=AT, answered_at=AT,
        outcome=Outcome.ANSWERED, question=Question(nonce=NONCE),
        measurements=root.transcript(NONCE), shown=Shown(chain=root.certified(0).pem.encode()),
    )  # fmt: skip


def boot() -> Exhibit:
    root = platform()
    asked = TpmQuestion(nonce=NONCE, selection=[(SHA256, range(16))])
    attester = Attester(name="T", asset="S", uri="/T", protocol=Protocol.TPM)
    return Exhibit(
        endpoint="https://b", asset="a", attester=attester, asked_at=AT, answered_at=AT,
        outcome=Outcome.ANSWERED, question=Question(nonce=NONCE), measurements=root.quote(asked),
        shown=Shown(chain=root.certified(asked.key).pem.encode(), log=root.log()),
    )  # fmt: skip


def judged(exhibit: Exhibit, *kept: KeptReference, rules: Rules | None = None) -> Judged:
    sets = [each for one in kept for each in one.sets]
    return appraise(exhibit, anchors=ANCHORS, references=sets, at=AT, rules=rules)


def witness(label: str, exhibit: Exhibit) -> Witness:
    found = judged(exhibit)
    return Witness(label=label, standing=found.verdict, judged=found)


def lesson(*exhibits: Exhibit, least: int = 2) -> KeptReference:
    them = [witness(f"n{number}:R", each) for number, each in enumerate(exhibits)]
    return learned(them, name="rots 2026", by="ana", at=AT, least=least)


@pytest.mark.parametrize("shown", [spdm(), boot()], ids=["spdm", "boot"])
def test_what_agrees_is_kept_as_learned_and_is_never_trusted_on_that_alone(shown: Exhibit) -> None:
    kept = lesson(shown, shown, shown)
    assert (kept.name, kept.by) == ("rots-2026", "ana")
    told = kept.provenance
    assert (told.kind, told.count, told.imported_at) == (SourceKind.LEARNED, 3, AT)
    assert (told.signature, told.genuine) == (Signature.UNVERIFIED, False)
    found = judged(shown, kept).verdict
    assert (found.reference, found.summary) == (Reference.UNTRUSTED, Summary.UNKNOWN)
    assert "reference-learned" in {each.code for each in found.findings}
    accepting = judged(shown, kept, rules=Rules(accept_learned=True)).verdict
    assert accepting.reference is Reference.MATCH


def test_who_departs_from_what_was_learned_shows() -> None:
    kept = lesson(spdm(), spdm())
    other = spdm(gpu="96.00.00")
    accepting = judged(other, kept, rules=Rules(accept_learned=True)).verdict
    assert accepting.reference is Reference.MISMATCH
    found = judged(other, kept).verdict
    assert found.reference is Reference.UNTRUSTED
    assert "measurement-differs" in {each.code for each in found.findings}


def test_of_those_that_do_not_agree_nothing_is_learned_and_it_is_told_who() -> None:
    with pytest.raises(OperatorMust) as caught:
        lesson(spdm(), spdm(), spdm(gpu="96.00.00"))
    assert caught.value.code == "ComponentsDiffer"
    assert "2 say" in caught.value.message
    assert "n2:R" in caught.value.message


def test_only_who_proved_who_they_are_teaches() -> None:
    good, bad = witness("good:R", spdm()), witness("bad:R", spdm(gpu="96.00.00"))
    for axis in (Identity.DUPLICATE, Identity.CHANGED, Identity.UNANCHORED):
        worse = msgspec.structs.replace(bad.standing, identity=axis)
        wrong = msgspec.structs.replace(bad, standing=worse)
        kept = learned([good, good, wrong], name="n", by="ana", at=AT, least=2)
        assert [each.code for each in kept.findings] == ["not-learned-from"]
        assert kept.provenance.count == 2
        with pytest.raises(OperatorMust) as caught:
            learned([good, wrong], name="n", by="ana", at=AT, least=2)
        assert caught.value.code == "TooFewToLearnFrom"
    with pytest.raises(OperatorMust):
        learned([], name="n", by="ana", at=AT, least=1)
