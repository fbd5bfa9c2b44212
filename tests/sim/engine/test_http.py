"""Whatever bytes come in, a connection answers HTTP or hangs up, and never breaks."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from iolaus.sim.front import Front
from iolaus.sim.http import Connection
from iolaus.sim.lies import bend, patched
from tests.sim.engine.tree import RESOURCES, V1, device

_WORD = base64.b64encode(b"root:iolaus-sim")
_HEAD = b"Host: x\r\nAuthorization: Basic " + _WORD + b"\r\n"
_PATHS = [*RESOURCES, "/", "/redfish", f"{V1}/Systems/1/Actions/ComputerSystem.Reset", "*", "//"]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.sent, self.closed = b"", False

    def write(self, data: Any) -> None:
        assert not self.closed
        self.sent += data

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


def conversation(*pieces: bytes) -> Wire:
    wire = Wire()
    connection = Connection(Front(device()))
    connection.connection_made(wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
    connection.connection_lost(None)
    return wire


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_noise(pieces: list[bytes]) -> None:
    wire = conversation(*pieces)
    assert wire.sent == b"" or wire.sent.startswith(b"HTTP/1.1 ")


@given(
    method=st.sampled_from([b"GET", b"HEAD", b"OPTIONS", b"PATCH", b"DELETE", b"PUT", b"TRACE"]),
    path=st.sampled_from(_PATHS),
    query=st.text(alphabet="$expandselecttopskiponly=.*~(),/%&1 ", max_size=30),
    cut=st.integers(0, 400),
)
def test_requests_cut_anywhere(method: bytes, path: str, query: str, cut: int) -> None:
    target = path.encode() + b"?" + query.replace(" ", "+").encode()
    whole = method + b" " + target + b" HTTP/1.1\r\n" + _HEAD + b"\r\n"
    in_two, at_once = conversation(whole[:cut], whole[cut:]), conversation(whole)
    assert in_two.sent.partition(b"\r\n")[0] == at_once.sent.partition(b"\r\n")[0]
    assert at_once.sent.startswith(b"HTTP/1.1 ")


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_BODIES = st.dictionaries(
    st.sampled_from(["AssetTag", "Boot", "Attributes", "PowerLimitWatts", "Status", "x"]), _JSON
)


@given(st.sampled_from(sorted(RESOURCES)), _BODIES)
def test_any_patch_is_answered(path: str, body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    head = f"PATCH {path} HTTP/1.1\r\nContent-Length: {len(data)}\r\n".encode()
    wire = conversation(head + _HEAD + b"\r\n" + data)
    assert wire.sent[9:12] in (b"200", b"400", b"405")


@given(st.binary(max_size=64))
def test_any_post_to_log_in_is_answered(body: bytes) -> None:
    head = f"POST {V1}/SessionService/Sessions HTTP/1.1\r\nContent-Length: {len(body)}\r\n"
    wire = conversation(head.encode() + b"\r\n" + body)
    assert wire.sent[9:12] == b"400"


def test_requests_on_one_connection_are_answered_in_order() -> None:
    asked = b"".join(
        f"GET {path} HTTP/1.1\r\n".encode() + _HEAD + b"\r\n" for path in (V1, "/redfish", V1)
    )
    sent = conversation(asked).sent
    assert sent.count(b"HTTP/1.1 200 OK") == 3
    assert sent.index(b'"v1"') > sent.index(b"RootService")


def test_too_large_a_head_is_refused() -> None:
    long = b"GET /redfish HTTP/1.1\r\nX: " + b"x" * 70_000 + b"\r\n\r\n"
    assert conversation(long).sent.startswith(b"HTTP/1.1 431 ")
    assert conversation(b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\n\r\n").closed


@given(
    _BODIES, st.sampled_from(["nan", "swapped_status", "null_members", "missing", "expand_drops"])
)
def test_any_resource_can_be_bent(resource: dict[str, Any], lie: str) -> None:
    assert isinstance(bend(lie, resource, []), dict)


@given(
    _BODIES,
    st.lists(
        st.fixed_dictionaries(
            {"op": st.sampled_from(["add", "replace", "remove"]), "path": st.text()}
        ),
        max_size=4,
    ),
)
def test_any_patch_document_can_be_applied(
    resource: dict[str, Any], operations: list[dict[str, Any]]
) -> None:
    assert isinstance(patched(resource, operations), dict)
