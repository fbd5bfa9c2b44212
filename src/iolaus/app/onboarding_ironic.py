"""A node enrolled at Ironic: its API spoken, each request harmless twice.

The node's uuid there is ours, so a registration that was cut off is found and completed. Ironic
standing alone knows HTTP's basic login or none; both are spoken, and never over plain http to
another machine.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import quote, urlsplit

import msgspec

from iolaus.app.onboarding_seeing import host_in
from iolaus.fleet.drain.peer import Answer, Peer
from iolaus.kernel.errors import OperatorMust
from iolaus.model.candidate import Candidate
from iolaus.model.endpoint import Target
from iolaus.model.expected import Expected
from iolaus.recovery.handover import (
    IRONIC_VERSION,
    Handed,
    check_address,
    ironic_change,
    ironic_node,
    ironic_ports,
)
from iolaus.store.state import State
from iolaus.wire.redfish.port import Credential

OPERATION: Final = "register with Ironic"
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class Ironic:
    """`credential_of` is the login that opens a controller now."""

    def __init__(
        self, *, state: State, credential_of: Callable[[Target], Credential | None]
    ) -> None:
        self._state, self._credential_of = state, credential_of

    async def __call__(self, candidate: Candidate, want: Expected) -> None:
        """Raises `IolausError`."""
        node = self.handed(candidate.address, want)
        peer = Peer(
            self._url(want),
            headers=lambda: self._headers(want),
            permission="name a login that may enrol nodes there (handover.credential)",
        )
        try:
            await enrol(peer, node)
        finally:
            await peer.aclose()

    def handed(self, address: str, want: Expected | None) -> Handed:
        """The node of an endpoint with the login that opens it. Raises `OperatorMust`."""
        held = self._state.facts.held(address)
        asset = host_in(held)
        login = self._credential_of(held.target) if held else None
        if held is None or asset is None or login is None:
            raise OperatorMust(
                "it was not read yet, or no login is kept for it",
                operation="hand over",
                subject=address,
                code="NotReady",
                next_step="wait until it is at its baseline.",
            )
        check_address(address)
        return Handed(
            name=want.name if want else held.target.name or asset.hostname or asset.key,
            uid=held.uids[asset.key],
            address=address,
            system=asset.resources[0],
            user=login.user,
            password=login.password,
            serial=asset.identity.serial or "",
            make=asset.vendor or "",
            model=asset.model or "",
            macs=asset.identity.macs,
            labels=held.target.labels,
            checked=bool(want and want.authority),
        )

    def _url(self, want: Expected) -> str:
        parts = urlsplit(want.handover.url or "")
        if parts.scheme == "https" or parts.hostname in LOOPBACK:
            return str(want.handover.url).rstrip("/")
        raise OperatorMust(
            "the login of the controller would go to it unencrypted",
            operation=OPERATION,
            subject=str(want.handover.url),
            code="PlainHttpRefused",
            next_step="give Ironic a certificate, and its https:// address in the list.",
        )

    def _headers(self, want: Expected) -> Mapping[str, str]:
        found = {"X-OpenStack-Ironic-API-Version": IRONIC_VERSION, "Accept": "application/json"}
        named = want.handover.credential
        if named is None:
            return found
        login = self._state.secrets.get(named)
        if login is None:
            raise OperatorMust(
                f"there is no credential {named!r}",
                operation=OPERATION,
                subject=want.list,
                code="NoCredential",
                next_step="keep it with: iolaus credential add",
            )
        word = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()
        return {**found, "Authorization": f"Basic {word}"}


async def enrol(peer: Peer, node: Handed) -> None:
    """Made or corrected, with its ports, and given to be managed."""
    path = f"/v1/nodes/{quote(node.uid)}"
    known = await _ask(peer, "GET", path, node, accept=(200, 404))
    if known.status == 404:
        await _ask(peer, "POST", "/v1/nodes", node, body=ironic_node(node), accept=(201, 409))
    else:
        await _ask(peer, "PATCH", path, node, body=ironic_change(node))
    for port in ironic_ports(node):
        await _ask(peer, "POST", "/v1/ports", node, body=port, accept=(201, 409))
    if known.status == 404 or known.read(dict[str, Any]).get("provision_state") == "enroll":
        word = {"target": "manage"}
        await _ask(peer, "PUT", f"{path}/states/provision", node, body=word, accept=(200, 202, 409))


async def _ask(
    peer: Peer,
    method: str,
    path: str,
    node: Handed,
    *,
    body: object = None,
    accept: tuple[int, ...] = (200,),
) -> Answer:
    return await peer.ask(
        method,
        path,
        operation=OPERATION,
        subject=node.name,
        accept=accept,
        body=None if body is None else msgspec.json.encode(body),
        headers=None if body is None else {"Content-Type": "application/json"},
    )
