"""Hardening through the API: one object for each endpoint, selected as all lists are."""

from __future__ import annotations

import httpx

from iolaus.model.surface import Surface
from iolaus.north.context import Context
from tests.north import hall
from tests.trust.test_hardening import SHOWN, TLS


async def test_each_endpoint_has_its_findings(context: Context, api: httpx.AsyncClient) -> None:
    for number in (0, 1):
        at = hall.address(number)
        shown = Surface(address=at, at=1.0, certificate=SHOWN, versions=TLS, paths={"/x": 200})
        await context.surfaces.put({at: shown})
    found = (await api.get("/api/v1/hardening")).json()["items"]
    by_name = {each["metadata"]["name"]: each["status"] for each in found}
    first, last = by_name["h1-r01-u01"], by_name["h1-r01-u04"]
    assert (first["state"], first["high"]) == ("weak", 2)
    assert set(first["weak"]) == {"certificate", "open-paths"}
    assert (last["state"], last["looked_at"]) == ("unknown", None)
    worst = first["checks"][0]
    assert (worst["state"], worst["severity"], bool(worst["next_step"])) == ("weak", "high", True)
    weak = await api.get("/api/v1/hardening", params={"labelSelector": "state=weak"})
    assert len(weak.json()["items"]) == 2
    one = (await api.get("/api/v1/hardening/h1-r01-u02")).json()
    assert one["status"]["address"] == hall.address(1)
