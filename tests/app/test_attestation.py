"""A hall whose machines prove what they run, and every way of lying about it, over the wire."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import zip_longest
from pathlib import Path

import msgspec
from tests.sim.firmware.stage import machines
from tests.survival.stage import Stage, conditions, staged

from iolaus.app.references import References
from iolaus.model.appraisal import Appraisal
from iolaus.model.endpoint import Mode
from iolaus.model.evidence import Exhibit
from iolaus.model.trust import (
    Evidence,
    Identity,
    Lifecycle,
    Reference,
    Signature,
    Summary,
    Verdict,
)
from iolaus.north.context import LearnOrder, ReferenceOrder
from iolaus.observe.attest import AttestRules
from iolaus.sim.roots.chain import anchors
from iolaus.sim.roots.references import as_corim, reference_values, signed

TRAY, DPU = "gb300-tray", "bluefield-dpu"
SPDM_LIES = {
    "spdm-replay": Evidence.STALE,
    "spdm-wrong-nonce": Evidence.STALE,
    "spdm-bad-signature": Signature.INVALID,
    "spdm-forged-root": Identity.CHANGED,
    "spdm-swapped-identity": Identity.CHANGED,
    "spdm-stale-firmware": Reference.MISMATCH,
    "spdm-tampered": Reference.MISMATCH,
    "spdm-debug-mode": Lifecycle.DEBUG,
}
TPM_LIES = {
    "tpm-replay": Evidence.STALE,
    "tpm-wrong-nonce": Evidence.STALE,
    "tpm-bad-signature": Signature.INVALID,
    "tpm-forged-root": Identity.CHANGED,
    "tpm-swapped-identity": Identity.CHANGED,
    "tpm-stale-firmware": Reference.MISMATCH,
    "tpm-tampered": Reference.MISMATCH,
    "tpm-log-edited": Evidence.MALFORMED,
    "tpm-secure-boot-off": Reference.MISMATCH,
}
"""Each lie, and what stands on the axis on which it is caught."""


async def trusting(on: Stage) -> None:
    """As an operator who trusts the hall's makers."""
    attesting = on.house.attesting
    seed = str(on.hall.devices[0].options.seed)
    attesting.anchors.mkdir(exist_ok=True)
    (attesting.anchors / "hall.pem").write_text(anchors(seed))
    order = ReferenceOrder(
        source="hall.corim",
        data=signed(as_corim(reference_values()), seed=seed),
        anchors=(("hall.pem", anchors(seed).encode()),),
    )
    importing = References(shelf=on.house.state.references, clock=on.house.clock)
    await importing.take(order, by="ana", keep=True)


@asynccontextmanager
async def attesting(
    folder: Path, *personas: str, trust: bool = True, managed: bool = True
) -> AsyncIterator[Stage]:
    async with staged(folder, *machines(*personas, task_s=0.05), managed=managed) as on:
        on.house.attesting.attestor.rules = AttestRules(look_s=0.05)
        if trust:
            await trusting(on)
        yield on


def held(on: Stage) -> dict[str, Appraisal]:
    found = on.house.attesting.ledger.appraisals()
    return {each.name: each for each in found if each.endpoint == on.device.address}


async def asked(on: Stage, count: int) -> dict[str, Verdict]:
    """Everybody was asked anew, and judged."""
    since = time.time()
    on.house.attesting.order(on.device.address)
    return await judged(on, count, since=since)


async def judged(on: Stage, count: int, *, since: float = 0.0) -> dict[str, Verdict]:
    async def check() -> bool:
        new = [each for each in held(on).values() if (each.tried_at or 0.0) >= since]
        return len(new) >= count

    await on.until(check, f"{count} verdicts")
    return {name: each.verdict for name, each in held(on).items()}


async def test_honest_machines_are_trusted_and_no_lie_is(tmp_path: Path) -> None:
    async with attesting(tmp_path, TRAY) as on:
        verdicts = await judged(on, 8)
        assert {each.summary for each in verdicts.values()} == {Summary.TRUSTED}, verdicts
        for spdm, tpm in zip_longest(SPDM_LIES, TPM_LIES, fillvalue="spdm-debug-mode"):
            await on.fault(spdm, tpm)
            verdicts = await asked(on, 8)
            for name, verdict in verdicts.items():
                lie = tpm if name.startswith("TPM") else spdm
                caught = (TPM_LIES if name.startswith("TPM") else SPDM_LIES)[lie]
                assert caught in verdict.axes, (lie, name, verdict)
                assert verdict.summary is not Summary.TRUSTED, (lie, name)
            await on.clear()
            verdicts = await asked(on, 8)
            assert {v.summary for v in verdicts.values()} == {Summary.TRUSTED}, (spdm, tpm)
        told = [each["after"] for each in await on.events("AttestationChanged")]
        assert {"trusted", "untrusted", "unknown"} <= set(told)


async def test_what_was_proved_stands_when_the_machine_falls_silent(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        await on.fault("spdm-tampered")
        bad = await asked(on, 2)
        assert {each.summary for each in bad.values()} == {Summary.UNTRUSTED}
        await on.down()
        silent = await asked(on, 2)
        assert {each.evidence for each in silent.values()} == {Evidence.UNREACHABLE}
        assert {each.summary for each in silent.values()} == {Summary.UNTRUSTED}


async def test_without_anchors_nobody_is_trusted_and_a_change_of_trust_judges_anew(
    tmp_path: Path,
) -> None:
    async with attesting(tmp_path, DPU, trust=False) as on:
        verdicts = await judged(on, 2)
        assert {each.identity for each in verdicts.values()} == {Identity.UNANCHORED}
        assert {each.reference for each in verdicts.values()} == {Reference.NONE}
        await trusting(on)
        await on.house.attesting.refresh()

        async def check() -> bool:
            found = [each.verdict.summary for each in held(on).values()]
            return found == [Summary.TRUSTED, Summary.TRUSTED]

        await on.until(check, "they are trusted without having been asked again")
        assert {each.exhibit for each in held(on).values()} == {1, 2}


async def test_a_read_only_endpoint_is_asked_by_order_alone(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU, managed=False) as on:
        verdicts = await judged(on, 2)
        assert {each.evidence for each in verdicts.values()} == {Evidence.NONE}
        assert {each.identity for each in verdicts.values()} == {Identity.ANCHORED}
        assert {each.summary for each in verdicts.values()} == {Summary.UNKNOWN}
        assert (await on.counters())["by_method"].get("POST", 0) <= 1  # the session
        assert on.house.state.facts.target_of(on.device.address).mode is Mode.READ_ONLY  # type: ignore[union-attr]
        verdicts = await asked(on, 2)
        assert {each.summary for each in verdicts.values()} == {Summary.TRUSTED}


async def test_people_and_programs_see_what_was_proved(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        rows = await on.listed("attestations")
        assert [row["id"] for row in rows] == [f"{DPU}:Bluefield_DPU_IRoT", f"{DPU}:Bluefield_ERoT"]
        assert {row["summary"] for row in rows} == {"trusted"}
        (asset,) = await on.listed("dpus")
        assert conditions(asset)["Attested"]["status"] == "True"
        told = (await on.metrics())["iolaus_attestation_components"]
        assert (dict(told[0][0]), told[0][1]) == ({"summary": "trusted"}, 2.0)
        shown = await on.get(f"attestations/{rows[0]['id']}/evidence")
        assert [link["holds"] for link in shown["chain"]] == [True] * 4
        assert shown["chain"][0]["anchor"]
        assert {each["kind"] for each in shown["measurements"]} >= {"rom", "device-mode"}
        assert shown["items"][0]["turned"]
        await on.fault("spdm-tampered")
        await on.command("attest", DPU)
        rows = await on.listed("attestations")
        assert {row["reference"] for row in rows} == {"mismatch"}
        found = next(each for each in rows[0]["findings"] if each["code"] == "measurement-differs")
        assert {"index", "expected", "seen", "reference"} <= found["detail"].keys()

        async def said() -> bool:
            (asset,) = await on.listed("dpus")
            found = conditions(asset)["Attested"]
            return (found["status"], found["reason"]) == ("False", "Untrusted")

        await on.until(said, "the machine's condition says so")
        assert len((await on.get(f"attestations/{rows[0]['id']}/evidence"))["items"]) == 2


async def test_an_exchanged_part_is_enrolled_by_an_operator(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        await on.fault("spdm-swapped-identity")
        assert {v.identity for v in (await asked(on, 2)).values()} == {Identity.CHANGED}
        ledger = on.house.attesting.ledger
        for each in held(on).values():
            assert await ledger.enrol(each.place, by="ana")

        async def check() -> bool:
            return {each.verdict.summary for each in held(on).values()} == {Summary.TRUSTED}

        await on.until(check, "the new parts are trusted")


async def test_an_attester_that_is_hidden_is_missed(tmp_path: Path) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        report = on.house.state.facts.report_of(on.device.address)
        assert report is not None
        shown = [each.uri for each in report.attesters if each.name != "Bluefield_ERoT"]
        await on.house.attesting.ledger.hide(on.device.address, shown)
        hidden = held(on)["Bluefield_ERoT"].verdict
        assert (hidden.evidence, hidden.summary) == (Evidence.NONE, Summary.UNKNOWN)
        assert hidden.findings[0].code == "attester-hidden"


def bent(exhibit: Exhibit, other: Exhibit) -> Iterator[tuple[str, Exhibit]]:
    """What a courier can do to bytes and words on their way."""
    replace, signed_ = msgspec.structs.replace, exhibit.measurements
    assert exhibit.question is not None
    yield "truncated", replace(exhibit, measurements=signed_[:-1])
    yield "trailing", replace(exhibit, measurements=signed_ + b"\0")
    yield "a bit", replace(exhibit, measurements=signed_[:40] + b"\xff" + signed_[41:])
    yield "stripped of its signature", replace(exhibit, measurements=signed_[:-96])
    yield "another's evidence", replace(exhibit, measurements=other.measurements)
    yield "another's chain", replace(exhibit, shown=other.shown)
    yield "no chain", replace(exhibit, shown=replace(exhibit.shown, chain=b""))
    yield "another slot", replace(exhibit, question=replace(exhibit.question, slot=1))
    for name, word in (("Version", "1.0"), ("HashingAlgorithm", "TPM_ALG_SHA_512")):
        yield f"claims {name}", replace(exhibit, claimed={**exhibit.claimed, name: word})


async def test_no_bytes_that_a_courier_bends_are_trusted_and_its_words_change_nothing(
    tmp_path: Path,
) -> None:
    async with attesting(tmp_path, DPU) as on:
        await judged(on, 2)
        ledger, store = on.house.attesting.ledger, on.house.state.evidence
        kept = [(await store.of(each.place))[0] for each in held(on).values()]
        for one, other in (kept, reversed(kept)):
            honest = (await ledger.examined(one)).verdict
            for how, exhibit in bent(one.exhibit, other.exhibit):
                found = await ledger.examined(msgspec.structs.replace(one, exhibit=exhibit))
                assert found.verdict.summary is not Summary.TRUSTED, how
            attester = msgspec.structs.replace(
                one.exhibit.attester, reported={"verification": "Failed"}, version="9.9"
            )
            lied = msgspec.structs.replace(
                one.exhibit, attester=attester, versions={"BMC": "99.0", "x": "y"}
            )
            found = await ledger.examined(msgspec.structs.replace(one, exhibit=lied))
            assert found.verdict == honest


async def test_what_components_have_in_common_is_learned(tmp_path: Path) -> None:
    async with attesting(tmp_path, TRAY, trust=False) as on:
        seed = str(on.hall.devices[0].options.seed)
        on.house.attesting.anchors.mkdir(exist_ok=True)
        (on.house.attesting.anchors / "hall.pem").write_text(anchors(seed))
        await on.house.attesting.refresh()
        verdicts = await asked(on, 8)
        assert {each.reference for each in verdicts.values()} == {Reference.NONE}
        named = {each.place: TRAY for name, each in held(on).items() if "GPU" in name}
        house = on.house
        learning = References(
            shelf=house.state.references, clock=house.clock, witnesses=house.attesting.witnesses
        )
        await learning.learn(LearnOrder(name="gpus", named=named), by="ana", keep=True)
        (row,) = await on.listed("references")
        assert (row["type"], row["state"]) == ("learned", "learned")
        assert row["learned_from"] == len(named) > 1

        async def seen() -> bool:
            found = {each.verdict.reference for each in held(on).values()}
            return Reference.UNTRUSTED in found

        await on.until(seen, "it is held against them, and counts for nothing")
        assert Summary.TRUSTED not in {each.verdict.summary for each in held(on).values()}
