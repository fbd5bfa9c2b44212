"""`python -m bench.trust [NODES] [COMPONENTS]`: what verifying evidence costs.

`peers` instead of numbers sets it beside DMTF's tool (`bench.trust_peers`).

Transcripts are made by the simulator's roots and verified by the product, which shares no code
with them. "Transcripts" is signature, chain and parsing, a second of one core's time by algorithm;
"fleet" judges kept exhibits on all five axes in as many processes as there are cores, as after a
change of anchors or references; "one" is from an answer's arrival to its verdict in the ledger of
the whole fleet. All exhibits hold one answer: nothing is remembered from one to the next. "lists"
is the time of a core that listing the verdicts of the whole fleet takes.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import repeat
from resource import RUSAGE_CHILDREN, RUSAGE_SELF
from typing import Any, cast

import msgspec
from tests.north.conftest import make_context
from tests.north.hall import SYSTEM
from tests.sim.roots.world import NONCE, SEED, responder

from bench import trust_peers as peers
from iolaus.kernel.clock import JumpClock, WallClock
from iolaus.model.appraisal import Appraisal
from iolaus.model.evidence import Attester, Exhibit, Outcome, Protocol, Question, Shown
from iolaus.model.policy import Policy
from iolaus.model.select import parse_selector
from iolaus.model.trust import (
    Evidence,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Summary,
    Verdict,
)
from iolaus.north.rolledup import rolled_up
from iolaus.north.ui.trustpages import lines_of
from iolaus.sim.roots.algorithms import HASHINGS
from iolaus.sim.roots.chain import anchors as anchors_of
from iolaus.sim.roots.references import as_corim, reference_values, signed
from iolaus.store.evidence import EvidenceStore
from iolaus.trust.appraise import appraise
from iolaus.trust.chains import Anchors
from iolaus.trust.ledger import Ground, TrustLedger
from iolaus.trust.manifests import read_manifest
from iolaus.trust.signing import read_anchors
from iolaus.trust.spdm import SpdmEvidence, SpdmQuestion, judge_spdm

ALGORITHMS = (
    ("SHA_256", "ECDSA_P256"),
    ("SHA_384", "ECDSA_P384"),
    ("SHA_512", "ECDSA_P521"),
    ("SHA_256", "RSASSA_2048"),
    ("SHA_384", "RSAPSS_3072"),
)
SECONDS = 2.0
AT = 1_790_000_000.0
ATTESTERS = 12
GOOD = Verdict(
    evidence=Evidence.FRESH, signature=Signature.VALID, identity=Identity.PINNED,
    reference=Reference.MATCH, lifecycle=Lifecycle.OK,
)  # fmt: skip
BAD = msgspec.structs.replace(GOOD, reference=Reference.MISMATCH)


def main() -> None:
    if sys.argv[1:2] == ["peers"]:
        peers.main(write="write" in sys.argv[2:])
        return
    given = [int(each) for each in sys.argv[1:3]]
    nodes, parts = (*given, *(200, ATTESTERS)[len(given) :])
    transcripts()
    fleet(nodes, parts)
    asyncio.run(one(nodes, parts))
    asyncio.run(lists(nodes, parts))


def transcripts() -> None:
    for hashing, signing in ALGORITHMS:
        root = responder(hashing=hashing, signing=signing, version="1.2")
        evidence = SpdmEvidence(
            measurements=root.transcript(NONCE), chain=root.certified(0).spdm(HASHINGS[hashing])
        )
        trusted, question = ground().anchors, SpdmQuestion(nonce=NONCE, slot=0)
        count, begin = 0, time.process_time()
        while (took := time.process_time() - begin) < SECONDS:
            result = judge_spdm(evidence, question, trusted, at=AT)
            count += 1
        assert result.verdict.summary is Summary.VERIFIED, result.verdict
        size = len(evidence.measurements)
        print(f"{signing} {hashing}: {count / took:.0f} a second ({size} bytes)", flush=True)


@cache
def ground() -> Ground:
    trusted = read_anchors([("hall.pem", anchors_of(SEED).encode())])
    document = signed(as_corim(reference_values()), seed=SEED)
    found = read_manifest(document, source="hall.corim", anchors=trusted, at=AT)
    return Ground(anchors=Anchors(trusted.certificates), references=found.sets)


@cache
def answered() -> tuple[bytes, bytes]:
    root = responder(version="1.2")
    return root.transcript(NONCE), root.certified(0).pem.encode()


def exhibit(node: int, part: int, at: float = AT) -> Exhibit:
    """The same answer by another attester: judging remembers nothing of it."""
    measurements, chain = answered()
    uri = f"/redfish/v1/ComponentIntegrity/{part}"
    attester = Attester(name=f"R{part}", asset="S", uri=uri, protocol=Protocol.SPDM)
    return Exhibit(
        endpoint=f"https://bmc-{node}", asset=f"a-{node}", attester=attester, asked_at=at,
        answered_at=at, outcome=Outcome.ANSWERED, question=Question(nonce=NONCE),
        measurements=measurements, shown=Shown(chain=chain),
    )  # fmt: skip


def judge_nodes(nodes: range, parts: int) -> int:
    stands = ground()
    for node in nodes:
        for part in range(parts):
            found = appraise(
                exhibit(node, part), anchors=stands.anchors, references=stands.references, at=AT
            )
            assert found.verdict.signature is Signature.VALID
    return len(nodes) * parts


def fleet(nodes: int, parts: int) -> None:
    cores = os.cpu_count() or 1
    shares = [range(at, min(at + 32, nodes)) for at in range(0, nodes, 32)]
    with ProcessPoolExecutor(cores) as pool:
        begin = time.monotonic()
        count = sum(pool.map(judge_nodes, shares, repeat(parts)))
        took = time.monotonic() - begin
    own, below = (resource.getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
    busy, most = below.ru_utime + below.ru_stime, max(own.ru_maxrss, below.ru_maxrss) >> 10
    sets = len(ground().references)
    print(f"fleet: {nodes} nodes x {parts}, {sets} reference sets, {cores} processes: "
          f"{count} verdicts in {took:.1f} s, {count / took:.0f} a second; "
          f"{busy:.0f} s of CPU time, at most {most} MiB a process", flush=True)  # fmt: skip


async def filled(store: EvidenceStore, ends: Sequence[str], parts: int, *, key: str) -> None:
    """Verdicts of `parts` attesters at each endpoint; one in fifty of them a mismatch."""
    held = Appraisal(
        endpoint="", uri="", name="", asset="", key=key, protocol="SPDM", judged_at=AT, since=AT,
        asked_at=AT, verdict=Verdict(),
    )  # fmt: skip
    await store.appraise(
        msgspec.structs.replace(
            held, endpoint=end, asset=f"a-{node}", name=f"R{part}",
            uri=f"/redfish/v1/ComponentIntegrity/{part}",
            verdict=BAD if (node * parts + part) % 50 == 0 else GOOD,
        )
        for node, end in enumerate(ends) for part in range(parts)
    )  # fmt: skip


async def one(nodes: int, parts: int) -> None:
    """An answer comes while the appraisals of all others are held."""
    store, stands = EvidenceStore(), ground()
    ledger = TrustLedger(evidence=store, clock=WallClock(), ground=stands)
    await filled(store, [f"https://bmc-{node}" for node in range(nodes)], parts, key="S")
    took, busy = [], time.process_time()
    for _ in range(40):
        begin = time.monotonic()
        await store.keep([exhibit(0, 0)])
        await ledger.settle()
        took.append((time.monotonic() - begin) * 1000)
    took.sort()
    busy = (time.process_time() - busy) * 1000 / len(took)
    print(f"one: of {nodes * parts} attesters, median {took[20]:.1f} ms, "
          f"p95 {took[37]:.1f} ms; {busy:.1f} ms of CPU time each", flush=True)  # fmt: skip


async def lists(nodes: int, parts: int) -> None:
    """Rows, a page, a filter and a count by rack; first of all, then after one change of one."""
    clock = JumpClock(AT)
    context = make_context(clock, nodes=nodes)
    store = EvidenceStore()
    port = Listed(evidence=store, clock=clock)
    context.attests = cast(Any, port)
    ends = [held.target.address for held in context.facts.all_held()]
    await filled(store, ends, parts, key=SYSTEM)
    selector, kept = parse_selector("standing=untrusted"), context.attestations
    works: dict[str, Callable[[], int]] = {
        "all verdicts": lambda: len(port.appraisals()),
        "rows": lambda: len(kept.rows()),
        "untrusted ones": lambda: sum(selector.matches(r.node, r.look(AT)) for r in kept.rows()),
        "racks": lambda: len(rolled_up(kept.rows(), "rack", now=AT)),
        "lines of the page": lambda: len(lines_of(kept.rows())),
    }
    for when in ("first", "again", "one changed"):
        if when == "one changed":
            first = next(iter(store.appraisals().values()))
            await store.appraise([msgspec.structs.replace(first, asked_at=AT + 1)])
        for what, work in works.items():
            begin = time.process_time()
            count = work()
            took = (time.process_time() - begin) * 1000
            print(f"lists, {when}: {count} {what} in {took:.0f} ms", flush=True)


class Listed(TrustLedger):
    """A ledger behind the API's port, without a policy."""

    policies: Sequence[Policy] = ()


if __name__ == "__main__":
    main()
