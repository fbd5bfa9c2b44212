"""The candidates by name. `Candidate.open` gives a transport that its user closes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.transport.by_aiohttp import AiohttpTransport
from bench.transport.by_pyreqwest import PyreqwestTransport
from bench.transport.by_wreq import WreqTransport
from iolaus.wire.redfish.port import Trust
from iolaus.wire.redfish.transport import OpenTransport, open_transport


class Candidate(NamedTuple):
    name: str
    open: Callable[[Trust], OpenTransport]
    in_product: bool = False


CANDIDATES = (
    Candidate("pycurl", open_transport, in_product=True),
    Candidate("aiohttp", AiohttpTransport),
    Candidate("pyreqwest", PyreqwestTransport),
    Candidate("wreq", WreqTransport),
)
