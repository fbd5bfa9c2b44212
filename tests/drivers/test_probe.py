"""What a probe says of whatever answers, and that nothing makes it raise or stay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.probe import ProbeResult, is_root, probe, prober, vendor_hint
from iolaus.kernel.errors import DeviceSilent, Unverified
from iolaus.model.endpoint import Reach, Target
from iolaus.sim.device import Device
from iolaus.sim.rules import Rule, Select
from iolaus.sim.server import running
from iolaus.wire.redfish.port import Request, Response, Trust
from iolaus.wire.redfish.transport import open_transport
from tests.sim.engine.tree import device

ORIGIN = "https://bmc1"
ROOT = {
    "@odata.type": "#ServiceRoot.v1_15_0.ServiceRoot",
    "RedfishVersion": "1.15.0",
    "Vendor": "Example",
    "Product": "E-1",
    "UUID": "u",
}


async def look(played: Device, trust: Trust, **options: Any) -> ProbeResult:
    async with open_transport(trust) as transport:
        return await probe(played.address, transport, **options)


async def test_a_pinned_controller_is_recognised_in_one_request_without_a_login() -> None:
    played = device()
    async with running([played]):
        pin = played.fingerprint
        found = await look(played, Trust(fingerprint=pin), pinned=pin)
    assert (found.reach, found.protocol) == (Reach.REACHABLE, "redfish")
    assert found.redfish_version == "1.15.0"
    assert found.uuid
    assert found.fingerprint == pin
    assert found.latency_ms is not None
    assert found.error is None
    assert (played.counters.requests, played.counters.auth_failures) == (1, 0)


async def test_an_unknown_certificate_is_told_and_nothing_is_asked() -> None:
    played = device()
    async with running([played]):
        found = await look(played, Trust())
    assert isinstance(found.error, Unverified)
    assert (found.reach, found.protocol) == (Reach.UNAUTHENTICATED, "https")
    assert found.fingerprint == played.fingerprint
    assert played.counters.requests == 0


async def test_a_changed_certificate_is_shown_and_not_taken_for_the_pin() -> None:
    played = device()
    async with running([played]):
        found = await look(played, Trust(fingerprint="0" * 64), pinned="0" * 64)
    assert isinstance(found.error, Unverified)
    assert found.fingerprint == played.fingerprint


async def test_first_contact_shows_the_pin_that_the_second_look_insists_on() -> None:
    played, look_at = device(), prober(timeout_s=5.0)
    async with running([played]):
        first = await look_at(Target(address=played.address))
        second = await look_at(Target(address=played.address, fingerprint=first.fingerprint))
        bad = await look_at(Target(address=played.address, fingerprint="zz"))
    assert (first.reach, second.reach) == (Reach.UNAUTHENTICATED, Reach.REACHABLE)
    assert bad.error is not None


async def test_a_dead_address_is_unreachable_with_a_next_step() -> None:
    played = device()
    async with running([played]):
        pass
    found = await look(played, Trust(fingerprint=played.fingerprint), timeout_s=2.0)
    assert found.reach is Reach.UNREACHABLE
    assert isinstance(found.error, DeviceSilent)
    assert found.error.next_step


async def test_one_that_hangs_is_left_in_time() -> None:
    hang = Rule(effect="latency", hang=True, select=Select(path="*"))
    played = device()
    async with running([played], faults=[hang]):
        trust = Trust(fingerprint=played.fingerprint)
        found = await asyncio.wait_for(look(played, trust, timeout_s=0.3), 20)
    assert found.reach is Reach.UNREACHABLE


# --- answers that no simulator gives ----------------------------------------------------------


class Says:
    """A transport that answers from a table of paths."""

    def __init__(self, answer: Callable[[str], Awaitable[Response] | Response]) -> None:
        self._answer, self.asked = answer, list[str]()

    async def send(self, request: Request) -> Response:
        self.asked.append(request.url)
        assert request.url.startswith(ORIGIN)
        assert "Authorization" not in request.headers
        answer = self._answer(request.url.removeprefix(ORIGIN))
        return answer if isinstance(answer, Response) else await answer


def says(status: int, body: Any = None, **headers: str) -> Says:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Says(lambda _: Response(status, headers, raw))


@pytest.mark.parametrize(
    ("transport", "reach", "protocol"),
    [
        (says(200, ROOT), Reach.REACHABLE, "redfish"),
        (says(200, {"RedfishVersion": "1.0.0"}), Reach.REACHABLE, "redfish"),
        (says(200, {"hello": "world"}), Reach.UNSUPPORTED, None),
        (says(200, b"<html>It works!</html>"), Reach.UNSUPPORTED, None),
        (says(200, b'{"cut'), Reach.UNSUPPORTED, None),
        (says(200, []), Reach.UNSUPPORTED, None),
        (says(404, b"nothing here"), Reach.UNSUPPORTED, "https"),
        (says(500, b""), Reach.UNSUPPORTED, "https"),
        (says(503, b""), Reach.REACHABLE, "https"),
        (says(302, b"", location="/redfish/v1/"), Reach.UNSUPPORTED, None),
        (says(302, b"", location="https://evil/redfish/v1/"), Reach.UNSUPPORTED, None),
        (says(302, b"", location="http://[bad"), Reach.UNSUPPORTED, None),
        (says(401, b""), Reach.UNAUTHENTICATED, "https"),
        (says(401, {"v1": "/redfish/v1/"}), Reach.UNAUTHENTICATED, "redfish"),
    ],
)
async def test_whatever_answers_is_named(
    transport: Says, reach: Reach, protocol: str | None
) -> None:
    found = await probe(ORIGIN, transport, pinned="f" * 64)
    assert (found.reach, found.protocol) == (reach, protocol)
    assert (found.error is None) == (protocol == "redfish" and reach is Reach.REACHABLE)
    assert len(transport.asked) <= 6


async def test_it_follows_a_redirect_on_the_same_device() -> None:
    def answer(path: str) -> Response:
        if path == "/redfish/v1/":
            return Response(308, {"location": "/redfish/v1"}, b"")
        return Response(200, {}, json.dumps(ROOT).encode())

    found = await probe(ORIGIN, Says(answer), pinned="f" * 64)
    assert (found.vendor_hint, found.product) == ("Example", "E-1")


async def test_one_that_answers_for_ever_is_left() -> None:
    async def slowly(path: str) -> Response:
        await asyncio.sleep(0.05)
        return Response(401, {}, b"")

    found = await probe(ORIGIN, Says(slowly), pinned="f" * 64, timeout_s=0.02)
    assert found.reach is Reach.UNREACHABLE


@pytest.mark.parametrize("address", ["", "https://", "nonsense://x", "https://a b", "https://x:y"])
async def test_what_is_no_address_is_said_to_be_none(address: str) -> None:
    found = await probe(address, says(200, ROOT))
    assert found.reach is Reach.UNSUPPORTED
    assert found.error is not None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner),
    max_leaves=12,
)
NAMES = ["@odata.type", "RedfishVersion", "Oem", "Vendor", "Product", "UUID", "v1", "Systems"]


@given(st.integers(200, 599), st.dictionaries(st.sampled_from(NAMES), JSON), st.text(max_size=40))
def test_nothing_that_a_device_says_makes_it_raise(
    status: int, root: dict[str, Any], location: str
) -> None:
    is_root(root)
    vendor_hint(root)
    headers = {"location": location} if location else {}
    transport = Says(lambda _: Response(status, headers, json.dumps(root).encode()))
    found = asyncio.run(probe(ORIGIN, transport, pinned="f" * 64))
    assert isinstance(found, ProbeResult)


@given(st.binary(max_size=300))
def test_nor_any_bytes(raw: bytes) -> None:
    transport = Says(lambda _: Response(200, {}, raw))
    assert isinstance(asyncio.run(probe(ORIGIN, transport, pinned="f" * 64)), ProbeResult)
