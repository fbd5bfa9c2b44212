"""How an asset stands: its power state and health as facts, and its controller's firmware.

A power state that is not said is Unknown with the reason, and so is one that is no Redfish word:
it is shown as what it is and never taken for Off.
"""

from __future__ import annotations

from typing import Final

from iolaus.drivers.ports import Payload
from iolaus.drivers.redfish import names
from iolaus.drivers.redfish.assets import Group, managers_of
from iolaus.drivers.redfish.harvest import Harvest, word
from iolaus.model.asset import HealthFact, PowerFact
from iolaus.model.fact import Health, Known, PowerState, Unknown

MANAGER_TYPES: Final = ("BMC", "ManagementController", "Service", "EnclosureManager")


def power_fact(payload: Payload, *, at: float, source: str) -> PowerFact:
    """`PowerState` of any resource."""
    said = payload.get("PowerState")
    try:
        return Known(value=PowerState(str(said)), at=at, source=source)
    except ValueError:
        reason = "not reported" if said in (None, "") else f"reported as {str(said)[:40]!r}"
        return Unknown(reason=reason, at=at, source=source)


def health_fact(payload: Payload, *, at: float, source: str) -> HealthFact:
    """`Status.HealthRollup`, else `Status.Health`, of any resource."""
    status = payload.get("Status")
    status = status if isinstance(status, dict) else {}
    for name in ("HealthRollup", "Health"):
        if status.get(name) in tuple(Health):
            return Known(value=Health(status[name]), at=at, source=source)
    return Unknown(reason="not reported", at=at, source=source)


def power_state(harvest: Harvest, group: Group) -> PowerFact:
    """The primary resource's word; a chassis' or a chip's where that has no power state."""
    for uri in (group.primary, *group.chassis[:1], *group.switches):
        fact = power_fact(harvest.resources.get(uri, {}), at=harvest.read_at(uri), source=uri)
        if isinstance(fact, Known):
            return fact
    payload = harvest.resources.get(group.primary, {})
    return power_fact(payload, at=harvest.read_at(group.primary), source=group.primary)


def health(harvest: Harvest, group: Group) -> HealthFact:
    """The worst of what the asset's own resources say."""
    worst: HealthFact | None = None
    for uri in dict.fromkeys((group.primary, *group.systems, *group.switches)):
        fact = health_fact(harvest.resources.get(uri, {}), at=harvest.read_at(uri), source=uri)
        if isinstance(fact, Known) and (worst is None or rank(fact) > rank(worst)):
            worst = fact
    at = harvest.read_at(group.primary)
    return worst or Unknown(reason="not reported", at=at, source=group.primary)


def rank(fact: HealthFact) -> int:
    return list(Health).index(fact.value) if isinstance(fact, Known) else -1


def bmc_firmware(harvest: Harvest, group: Group) -> str | None:
    """The version that the asset's own controller runs; of several, the management controller's."""
    found: list[tuple[int, str]] = []
    for order, uri in enumerate(_managers(harvest, group)):
        payload = harvest.resources.get(uri, {})
        version = names.version(payload.get("FirmwareVersion"))
        if version:
            said = word(payload, "ManagerType")
            place = MANAGER_TYPES.index(said) if said in MANAGER_TYPES else len(MANAGER_TYPES)
            found.append((place * 1000 + order, version))
    return min(found)[1] if found else None


def _managers(harvest: Harvest, group: Group) -> list[str]:
    linked = [
        uri
        for each in (group.primary, *group.chassis[:1])
        for uri in managers_of(harvest, each, harvest.resources.get(each, {}))
    ]
    everyone = [uri for uri, _ in harvest.of_type("Manager")]
    return linked or group.managers or (everyone if len(everyone) == 1 else [])
