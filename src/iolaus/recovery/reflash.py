"""Firmware that a flash left broken, brought back by the image that ran well before.

It is pushed while the controller still answers, before anything is restarted: what runs from memory
may be the last that runs. The device is asked to take it by force, because many call an image that
they think they have no news. Then it is activated, softly where it is the controller's own, by the
host otherwise; whether it helped is read at the component and never taken from a task. Where the
component can sign what it runs and references know the release, it is asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from iolaus.model.plan import Action, Expect, Op, Step, Verb
from iolaus.model.reach import Verdict
from iolaus.recovery.rungs import Rung
from iolaus.recovery.trying import trying

REFLASH: Final = "reflash"
ACTIVATE: Final = "reflash-activate"
PUSHED: Final = "recovery/pushed"
"""Whether the device took the image, or measures it already."""
RUNS: Final = "recovery/firmware"
"""Whether the component runs what was pushed, and is not broken."""
MANAGER: Final = "bmc"
"""The kind of firmware that a restart of the controller activates."""
BY_ITSELF: Final = frozenset({"psu", "battery"})
"""Kinds that run what they were given without anybody's restart."""
PROVE_S: Final = 300.0


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """Who proves the release: `attester` measures one of `references` of `part`."""

    attester: str
    part: str
    references: tuple[str, ...]


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """An image of the image folder for one broken component (`uri` is its inventory entry).
    `fetch` is where the device finds it, if it fetches ("": it is pushed)."""

    component: str
    uri: str
    kind: str
    file: str
    sha256: str
    version: str
    scheme: str = ""
    fetch: str = ""
    proof: Proof | None = None

    @property
    def stops_host(self) -> bool:
        return self.kind != MANAGER and self.kind not in BY_ITSELF


# --- the plan ---------------------------------------------------------------------------------


def reflash_steps(
    rung: Rung,
    push: Push,
    *,
    verdict: Verdict,
    before: tuple[Expect, ...],
    answers: tuple[Expect, ...],
) -> Iterator[Step]:
    """`before` is what must hold before the image is pushed, `answers` before it is activated."""
    given: dict[str, Any] = {"component": push.component, "kind": push.kind,
                             "version": push.version, "scheme": push.scheme}  # fmt: skip
    image: dict[str, Any] = {"file": push.file, "sha256": push.sha256, "targets": [push.uri]}
    image |= {"fetch": push.fetch} if push.fetch else {}
    pushed, runs = (Expect(subject=each, op=Op.IS, value=True) for each in (PUSHED, RUNS))
    alone = push.kind in BY_ITSELF
    yield trying(rung, before=before, after=(runs,) if alone else (pushed,), verdict=verdict,
                 text=f"Push {push.file} again: {push.component} {push.version}",
                 **given, **image)  # fmt: skip
    if not alone:
        yield _activating(rung, push, given, verdict=verdict, before=(pushed, *answers))
    if push.proof is not None:
        yield _proving(rung, push, push.proof)


def _activating(
    rung: Rung,
    push: Push,
    given: Mapping[str, Any],
    *,
    verdict: Verdict,
    before: tuple[Expect, ...],
) -> Step:
    how = "its host" if push.stops_host else "its controller"
    not_yet = Expect(subject=RUNS, op=Op.IS_NOT, value=True)
    runs = Expect(subject=RUNS, op=Op.IS, value=True)
    return trying(rung, before=(*before, not_yet), after=(runs,), verdict=verdict,
                  subject=ACTIVATE, text=f"Restart {how}, so that {push.component} runs it",
                  **given)  # fmt: skip


def _proving(rung: Rung, push: Push, proof: Proof) -> Step:
    """A component that disproves it makes the node a compromised one, which the end sees."""
    name = f"firmware/{push.component}"
    runs = Expect(subject=name, op=Op.SATISFIES, value=push.version, scheme=push.scheme)
    wanted = {"attester": proof.attester, "part": proof.part, "references": list(proof.references)}
    return Step(
        id="",
        action=Action(verb=Verb.ATTEST, subject="attestation", arguments={"wanted": [wanted]}),
        text=f"Have {proof.attester} prove it by measurement",
        before=(runs,),
        after=(Expect(subject=f"attestation/{proof.attester}", op=Op.IS, value="proved"),),
        timeout_s=PROVE_S,
        attempts=1,
        rung=rung.name.value,
    )
