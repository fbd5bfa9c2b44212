"""Who can attest, read from ComponentIntegrity resources (DSP0268).

Only what must be known to ask is taken: where the question goes is what the resource advertises,
never what a URI should look like, because makers differ and some advertise nothing. Versions,
verification results and measurements that the controller shows by itself are kept as *reported*:
a controller that was taken over would show whatever is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from iolaus.drivers.redfish._text import clean, mapping, tail
from iolaus.drivers.redfish.harvest import ROOT, Harvest, links_in
from iolaus.model.evidence import NONCE_SIZE, Attester, Protocol

Payload = Mapping[str, Any]
Owners = tuple[Callable[[str], str], Callable[[str], str]]
ACTIONS: Final[Mapping[Protocol, str]] = {
    Protocol.SPDM: "#ComponentIntegrity.SPDMGetSignedMeasurements",
    Protocol.TPM: "#ComponentIntegrity.TPMGetSignedMeasurements",
}
MOST: Final = 256
MOST_LINKS: Final = 8
_BOOT_LOG: Final = re.compile(r"measured.?boot|tcg|tpm|event.?log.?tpm", re.IGNORECASE)


def read_attesters(
    harvest: Harvest, claimed: Callable[[str], str], owner: Callable[[str], str]
) -> tuple[Attester, ...]:
    """All that say they can attest, by URI. Pure; never raises. `claimed` gives "" for what no
    asset claims: an attester is part of the asset that claims what it protects, or itself, and
    of the one that `owner` falls back on where none does."""
    found = list(harvest.of_type("ComponentIntegrity"))[:MOST]
    return tuple(_attester(harvest, uri, payload, (claimed, owner)) for uri, payload in found)


def _attester(harvest: Harvest, uri: str, payload: Payload, owners: Owners) -> Attester:
    protocol = _protocol(payload)
    component = next(_links(payload.get("TargetComponentURI")), "")
    protects = tuple(_links(mapping(payload.get("Links")).get("ComponentsProtected")))
    detail = mapping(payload.get(protocol.value))
    systems = _systems(harvest, (component, *protects)) if protocol is Protocol.TPM else ()
    enabled = payload.get("ComponentIntegrityEnabled")
    return Attester(
        name=clean(payload.get("Id"), 128) or tail(uri),
        asset=_asset((*protects, component), uri, owners),
        uri=uri,
        protocol=protocol,
        version=clean(payload.get("ComponentIntegrityTypeVersion"), 32),
        enabled=enabled if isinstance(enabled, bool) else None,
        component=component,
        protects=protects,
        action=_action(payload, protocol),
        certificates=_certificates(harvest, detail, component),
        logs=tuple(_boot_logs(harvest, systems)),
        secure_boot=next(_secure_boots(harvest, systems), ""),
        nonce_size=_nonce_size(detail),
        reported=dict(_reported(detail)),
    )


def _asset(parts: Iterable[str], uri: str, owners: Owners) -> str:
    claimed, owner = owners
    return next((key for each in parts if (key := claimed(each))), owner(uri))


def _protocol(payload: Payload) -> Protocol:
    word = payload.get("ComponentIntegrityType")
    return next((each for each in ACTIONS if each == word), Protocol.OTHER)


def _links(value: object) -> Iterator[str]:
    """Links within this service, a few."""
    inside = (uri for uri in links_in(value) if uri.startswith(f"{ROOT}/"))
    for _, uri in zip(range(MOST_LINKS), inside, strict=False):
        yield uri


def _action(payload: Payload, protocol: Protocol) -> str:
    held = mapping(mapping(payload.get("Actions")).get(ACTIONS.get(protocol, "")))
    return next(_links(held.get("target")), "")


def _certificates(harvest: Harvest, detail: Payload, component: str) -> tuple[str, ...]:
    """The component's own first, then those of the part that attests (a TPM's)."""
    identity = mapping(detail.get("IdentityAuthentication"))
    found = [
        uri
        for holder in (mapping(identity.get("ResponderAuthentication")), identity)
        for uri in _links(holder.get("ComponentCertificate"))
    ]
    part = harvest.get(component) or {}
    found += _links(part.get("Certificates"))
    return tuple(dict.fromkeys(found))


def _systems(harvest: Harvest, uris: Iterable[str]) -> tuple[str, ...]:
    held = {uri for uri, _ in harvest.of_type("ComputerSystem")}
    return tuple(dict.fromkeys(uri for uri in uris if uri in held))


def _boot_logs(harvest: Harvest, systems: Iterable[str]) -> Iterator[str]:
    """Entries of logs that go by a name of the measured boot's."""
    for system in systems:
        for uri, payload in harvest.under(system, "LogService"):
            if _BOOT_LOG.search(tail(uri)) or _BOOT_LOG.search(clean(payload.get("Name"))):
                yield from _links(payload.get("Entries"))


def _secure_boots(harvest: Harvest, systems: Iterable[str]) -> Iterator[str]:
    for system in systems:
        yield from (uri for uri, _ in harvest.under(system, "SecureBoot"))


def _nonce_size(detail: Payload) -> int:
    most = detail.get("NonceSizeBytesMaximum")
    given = isinstance(most, int) and not isinstance(most, bool) and 0 < most < NONCE_SIZE
    return most if given and isinstance(most, int) else NONCE_SIZE


def _reported(detail: Payload) -> Iterator[tuple[str, str]]:
    identity = mapping(detail.get("IdentityAuthentication"))
    for holder in (mapping(identity.get("ResponderAuthentication")), identity):
        if word := clean(holder.get("VerificationStatus"), 64):
            yield "verification", word
    shown = mapping(detail.get("MeasurementSet"))
    for name, key in (
        ("measurement_summary", "MeasurementSummary"),
        ("measurement_summary_hash", "MeasurementSummaryHashAlgorithm"),
    ):
        if word := clean(shown.get(key), 256):
            yield name, word
