"""A change is handed to the other machines before it is acknowledged, or it is not acknowledged."""

from __future__ import annotations

import httpx

from iolaus.bus.port import BusAway
from iolaus.north.context import Context
from tests.north.api.test_baselines import document


async def test_an_answer_waits_for_it_and_is_its_error(
    api: httpx.AsyncClient, context: Context
) -> None:
    handed, away = list[str](), False

    async def hand_on() -> None:
        handed.append("now")
        if away:
            raise BusAway("no server answers", operation="put", subject="files")

    context.hand_on = hand_on
    assert (await api.get("/api/v1/baselines")).status_code == 200
    assert handed == []
    assert (await api.put("/api/v1/baselines/base", json=document())).status_code == 200
    assert len(handed) == 1
    away = True
    refused = await api.put("/api/v1/baselines/base", json=document(version="2"))
    assert (refused.status_code >= 500, refused.json()["code"]) == (True, "BusAway")
    assert (await api.put("/api/v1/baselines/base", json={})).status_code == 400
    assert len(handed) == 2
