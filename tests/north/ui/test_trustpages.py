"""What was proved as pages, through the real application over the test hall's attesters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.north.context import Context
from iolaus.north.ui.trustpages import axes_of, lines_of, tone_of
from tests.north import hall
from tests.north.attesting import Attesting
from tests.north.conftest import make_context
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document

FIRST, SECOND, THIRD = (hall.place(number)[2] for number in range(3))


@pytest.fixture
def context(clock: JumpClock) -> Context:
    return make_context(clock)


@pytest.fixture
def attesting(context: Context) -> Attesting:
    found = context.attests = Attesting(context)
    return found


@pytest.fixture
async def web(context: Context) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(context) as client:
        yield client


async def read(web: httpx.AsyncClient, path: str, *, status: int = 200, **query: Any) -> Document:
    answer = await web.get(path, params=query or None)
    assert answer.status_code == status, answer.text
    return Document(answer.text)


async def test_the_worst_verdict_stands_first_and_everybody_is_in_one_line(
    web: httpx.AsyncClient, context: Context, attesting: Attesting
) -> None:
    rows = (await read(web, "/ui/trust")).table()
    assert [row["Verdict"] for row in rows] == ["untrusted", "unknown", "trusted"]
    assert rows[0]["Why"] == "measurement 2 is not as it should be"
    assert rows[0]["Reference"] == "mismatch"
    assert rows[1]["Lifecycle"] == "not said"
    assert sum(int(row["Components"].replace(",", "")) for row in rows) == len(
        attesting.appraisals()
    )


async def test_lines_lose_and_double_nobody(context: Context, attesting: Attesting) -> None:
    held = context.attestations.rows()
    lines = lines_of(held)
    assert sorted(r.id for line in lines for r in line.listed) == sorted(r.id for r in held)
    assert all(
        (row.kind.summary, axes_of(row.kind)) == (line.summary, line.axes)
        for line in lines
        for row in line.listed
    )


async def test_one_verdict_and_some_nodes_alone(
    web: httpx.AsyncClient, attesting: Attesting
) -> None:
    page = await read(web, "/ui/trust", summary="untrusted")
    assert [row["Verdict"] for row in page.table()] == ["untrusted"]
    page = await read(web, "/ui/trust", selector=THIRD)
    assert [row["Components"] for row in page.table()] == ["2"]
    page = await read(web, "/ui/trust", selector=THIRD, summary="untrusted")
    assert "Nothing is untrusted" in page.text
    page = await read(web, "/ui/trust", summary="<b>", selector="a=[")
    assert "this was not used" in page.text
    assert len(page.table()) == 3


async def test_an_attester_shows_axes_findings_and_kept_evidence(
    web: httpx.AsyncClient, attesting: Attesting
) -> None:
    page = await read(web, f"/ui/trust/{FIRST}:GPU_RoT")
    for said in ("untrusted", "mismatch", "measurement-differs", "iolaus attest", "changed by it"):
        assert said in page.text
    assert (await web.get(f"/api/v1/attestations/{FIRST}:GPU_RoT/evidence")).status_code == 200
    part = await read(web, f"/ui/trust/{FIRST}:GPU_RoT", part="1")
    assert "measurement-differs" in part.text
    await read(web, f"/ui/trust/{FIRST}:Nobody", status=404)


async def test_nothing_attests_is_not_all_is_well(web: httpx.AsyncClient) -> None:
    page = await read(web, "/ui/trust")
    assert "Nothing attests" in page.text
    assert "never trusted" in page.text
    assert "trusted 0" in page.text


def test_no_want_of_proof_is_green() -> None:
    assert tone_of("mismatch") == tone_of("debug") == "critical"
    assert tone_of("match") == tone_of("pinned") == "ok"
    assert {tone_of(word) for word in ("none", "unreachable", "unverified")} == {"unknown"}
    assert {tone_of(word) for word in ("expired", "stale", "known-vulnerable")} == {"warning"}
    assert tone_of(None) == "absent"
