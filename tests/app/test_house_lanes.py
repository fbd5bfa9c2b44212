"""How connections to devices are kept."""

from __future__ import annotations

import pytest

from iolaus.kernel.errors import DeviceSilent
from iolaus.kernel.ports import free_port
from iolaus.wire.redfish.port import Request, Trust
from iolaus.wire.redfish.transport import KEEP_ALIVE_S, open_transport


@pytest.mark.parametrize("keep_alive_s", [KEEP_ALIVE_S, 1200.0])
async def test_idle_connections_live_as_long_as_the_first_transport_said(
    keep_alive_s: float,
) -> None:
    url = f"http://127.0.0.1:{free_port()}/redfish/v1"
    trust = Trust(insecure_http=True)
    first = open_transport(trust, keep_alive_s=keep_alive_s)
    other = open_transport(trust, keep_alive_s=1.0)
    async with first, other:
        for each in (first, other):
            with pytest.raises(DeviceSilent):
                await each.send(Request(method="GET", url=url))
            pool = each._pool  # type: ignore[attr-defined]  # the pool is nobody's business else
            assert (await pool.multi()).keep_alive_s == keep_alive_s
