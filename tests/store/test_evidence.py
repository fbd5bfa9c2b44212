"""Exhibits survive, the last ones and those that mattered; verdicts and identities stand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from iolaus.model.appraisal import Appraisal, Pin
from iolaus.model.evidence import Attester, Exhibit, Outcome, Protocol
from iolaus.model.trust import Evidence, Finding, Verdict
from iolaus.store.database import Database
from iolaus.store.evidence import LAST, EvidenceStore

PLACE = ("https://bmc.test", "/gpu")


def exhibit(at: float, uri: str = "/gpu") -> Exhibit:
    return Exhibit(
        endpoint=PLACE[0],
        asset="uid",
        attester=Attester(name="gpu", asset="a", uri=uri, protocol=Protocol.SPDM),
        asked_at=at,
        answered_at=at,
        outcome=Outcome.ANSWERED,
        measurements=f"signed {at}".encode(),
    )


def appraisal(number: int, since: float = 0.0) -> Appraisal:
    finding = Finding(code="a-finding", message="m", detail={"indices": [1, 2], "seen": "x"})
    verdict = Verdict(evidence=Evidence.FRESH, findings=(finding,))
    return Appraisal(endpoint=PLACE[0], uri=PLACE[1], name="gpu", asset="uid", key="a",
                     protocol="SPDM", verdict=verdict, judged_at=1.0, since=since,
                     exhibit=number)  # fmt: skip


@asynccontextmanager
async def opened(where: Path | str) -> AsyncIterator[EvidenceStore]:
    database = Database(where)
    database.open()
    store = EvidenceStore(database)
    await store.load()
    yield store
    database.close()


async def test_the_last_are_kept_and_those_that_changed_a_verdict(anywhere: Path | str) -> None:
    async with opened(anywhere) as store:
        for number in range(1, 9):
            await store.keep([exhibit(float(number))])
            if number == 2:
                await store.appraise([appraisal(2)], turned=[2])
        found = await store.of(PLACE)
        assert [each.number for each in found] == [8, 7, 6, 2]
        assert [each.turned for each in found] == [False, False, False, True]
        assert found[0].exhibit.measurements == b"signed 8.0"
        assert await store.exhibit(PLACE, 2) == found[-1]
        assert await store.exhibit(PLACE, 3) is None
        assert {each.number for each in await store.exhibits([2, 3, 8])} == {2, 8}


async def test_another_start_finds_all_of_it(anywhere: Path | str) -> None:
    heard: list[int] = []
    pin = Pin(asset="uid", name="gpu", identity="ab", at=1.0, by="first contact")
    async with opened(anywhere) as store:
        store.on_kept(lambda kept: heard.extend(each.number for each in kept))
        await store.keep([exhibit(1.0), exhibit(2.0, "/other")])
        await store.pin([pin])
        await store.appraise([appraisal(1)])
    assert heard == [1, 2]
    async with opened(anywhere) as again:
        assert again.appraisals() == {PLACE: appraisal(1)}
        assert again.pins() == {("uid", "gpu"): pin}
        await again.keep([exhibit(3.0)])
        assert [each.number for each in await again.of(PLACE)] == [3, 1]


async def test_what_is_forgotten_leaves_its_identity(anywhere: Path | str) -> None:
    async with opened(anywhere) as store:
        await store.keep([exhibit(1.0)])
        await store.appraise([appraisal(1)])
        await store.pin([Pin(asset="uid", name="gpu", identity="ab", at=1.0, by="me")])
        await store.forget([PLACE])
    async with opened(anywhere) as again:
        assert again.appraisals() == {}
        assert await again.of(PLACE) == ()
        assert list(again.pins()) == [("uid", "gpu")]


async def test_without_a_database_it_is_the_same() -> None:
    store = EvidenceStore()
    await store.load()
    for number in range(6):
        await store.keep([exhibit(float(number))])
    assert len(await store.of(PLACE)) == LAST
    await store.appraise([appraisal(6)], turned=[6])
    newest = (await store.of(PLACE))[0]
    assert newest.turned
    assert msgspec.structs.asdict(newest)["number"] == 6
