"""Hosts spoken of and bundles given out through the API, by who may."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence

from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import Condition
from iolaus.model.recovery import Tried
from iolaus.north.fleet import KEEP_S
from iolaus.recovery.signals import Signals
from tests.north.conftest import client_of, make_context

NODE = "h1-r01-u01"


class Recovers:
    """Keeps what is said of hosts, and packs that into a bundle."""

    def __init__(self) -> None:
        self.signals = Signals(now=lambda: 0.0, for_s=lambda: 90.0)
        self.said: list[str] = []

    def waits(self, uid: str) -> Condition | None:
        del uid
        return None

    async def tried(self, plan: str) -> Mapping[str, Sequence[Tried]]:
        del plan
        return {}

    def condition(self, uid: str) -> Condition | None:
        host = self.signals.of(uid)
        if host.alive is None:
            return None
        reason = "Well" if host.alive else "HostHung"
        return Condition(type="Reach", status=str(host.alive), reason=reason, message=host.source)

    def say(self, uid: str, *, alive: bool, source: str, detail: str) -> None:
        self.said.append(uid)
        self.signals.say(uid, alive=alive, source=source, detail=detail)

    async def bundle(self, uid: str, *, dumps: bool) -> bytes:
        found = io.BytesIO()
        with zipfile.ZipFile(found, "w") as archive:
            archive.writestr("node.json", f'{{"uid": "{uid}", "dumps": {str(dumps).lower()}}}')
        return found.getvalue()


async def test_a_host_is_spoken_of_and_its_condition_follows() -> None:
    clock = JumpClock()
    context = make_context(clock)
    port = context.recovers = Recovers()
    path = f"/api/v1/nodes/{NODE}/signal"
    async with client_of(context) as api:
        said = await api.post(path, json={"alive": False, "source": "slurm", "detail": "DOWN"})
        assert said.status_code == 200, said.text
        assert len(port.said) == 1
        clock.advance(2 * KEEP_S)
        shown = (await api.get(f"/api/v1/nodes/{NODE}")).json()["status"]["conditions"]
        assert ("Reach", "HostHung") in [(each["type"], each["reason"]) for each in shown]
        for where, body, status in (
            ("/api/v1/nodes/nobody/signal", {"alive": True, "source": "x"}, 404),
            (path, {"alive": "maybe", "source": "x"}, 400),
            (path, {"alive": True, "source": ""}, 400),
        ):
            told = await api.post(where, json=body)
            assert told.status_code == status, told.text


async def test_a_bundle_is_a_zip_named_like_its_node() -> None:
    context = make_context(JumpClock())
    context.recovers = Recovers()
    path = f"/api/v1/nodes/{NODE}/bundle"
    async with client_of(context) as api:
        got = await api.get(path, params={"dumps": "true"})
        assert got.headers["content-type"] == "application/zip"
        assert NODE in got.headers["content-disposition"]
        text = zipfile.ZipFile(io.BytesIO(got.content)).read("node.json")
        assert b'"dumps": true' in text
        assert (await api.get("/api/v1/nodes/nobody/bundle")).status_code == 404
        context.recovers = None
        assert (await api.get(path)).status_code == 501
