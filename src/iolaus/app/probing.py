"""A look at one target, with nothing of the server: `iolaus inspect` needs no more than this."""

from __future__ import annotations

from iolaus.drivers.probe import ProbeResult, probe
from iolaus.model.endpoint import Target
from iolaus.wire.redfish.port import Trust
from iolaus.wire.redfish.transport import open_transport


async def probe_target(target: Target, *, ca_file: str | None = None) -> ProbeResult:
    """Look at a target once, judging its certificate by its pin or by an authority."""
    trust = Trust(
        fingerprint=target.fingerprint,
        ca_file=ca_file,
        insecure_http=target.address.startswith("http://"),
    )
    async with open_transport(trust) as transport:
        return await probe(target.address, transport, pinned=target.fingerprint)
