"""Made-up devices: small values with only what a test is about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from iolaus.model.asset import (
    Asset,
    AssetKind,
    Component,
    ComponentKind,
    Firmware,
    HotUpdate,
    Identity,
    ManagerSetting,
    Reading,
    Report,
    Setting,
)
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.fact import Health, Known, PowerState, Unknown
from iolaus.store.facts import Facts

T0 = 1_700_000_000.0
SYSTEM = "/redfish/v1/Systems/1"


def power(state: PowerState | None, at: float = T0) -> Known[PowerState] | Unknown:
    return Known(value=state, at=at) if state else Unknown(reason="not reported", at=at)


def health(state: Health | None, at: float = T0) -> Known[Health] | Unknown:
    return Known(value=state, at=at) if state else Unknown(reason="not reported", at=at)


def asset(key: str = "Systems/1", *, at: float = T0, **fields: Any) -> Asset:
    identity = {f: fields.pop(f) for f in ("serial", "uuid", "macs") if f in fields}
    values: dict[str, Any] = {
        "key": key,
        "kind": AssetKind.NODE,
        "resources": (f"/redfish/v1/{key}",),
        "identity": Identity(**identity),
        "power_state": power(PowerState.ON, at),
        "health": health(Health.OK, at),
        "observed_at": at,
        "vendor": "Maker",
        "model": "M1",
    }
    return Asset(**{**values, **fields})


def component(name: str, *, key: str = "Systems/1", **fields: Any) -> Component:
    values = {"kind": ComponentKind.GPU, "uri": f"/redfish/v1/{key}/Processors/{name}"}
    return Component(name=name, asset=key, **{**values, **fields})


def firmware(entry: str, version: str | None, *, key: str = "Systems/1", **fields: Any) -> Firmware:
    uri = f"/redfish/v1/UpdateService/FirmwareInventory/{entry}"
    values = {"component": entry, "name": entry}
    return Firmware(version=version, asset=key, uri=uri, **{**values, **fields})


def setting(name: str, value: Any, *, key: str = "Systems/1") -> Setting:
    return Setting(asset=key, name=name, value=value)


def manager(name: str, value: Any, *, key: str | None = None) -> ManagerSetting:
    return ManagerSetting(name=name, value=value, uri="/redfish/v1/Managers/1", asset=key)


def reading(name: str, value: float | None, *, at: float = T0, key: str = "Systems/1") -> Reading:
    uri = f"/redfish/v1/Chassis/1/Sensors/{name}"
    return Reading(
        name=name, asset=key, uri=uri, quantity="Temperature", unit="Cel", value=value, at=at
    )


def report(
    address: str, assets: Iterable[Asset] | None = None, *, at: float = T0, **fields: Any
) -> Report:
    return Report(
        endpoint=address,
        driver="generic",
        redfish_version="1.11.0",
        observed_at=at,
        assets=tuple(assets) if assets is not None else (asset(at=at, serial="SN-" + address),),
        **fields,
    )


def hot(address: str, *, at: float, key: str = "Systems/1", **fields: Any) -> HotUpdate:
    powers: Mapping[str, Any] = {key: fields.pop("power")} if "power" in fields else {}
    healths: Mapping[str, Any] = {key: fields.pop("health")} if "health" in fields else {}
    return HotUpdate(endpoint=address, at=at, power_states=powers, healths=healths, **fields)


def status(address: str, reach: Reach = Reach.REACHABLE, *, at: float = T0) -> EndpointStatus:
    return EndpointStatus(address=address, reach=reach, at=at, since=at)


def ask_for(facts: Facts, *addresses: str) -> None:
    for address in addresses:
        facts.put_target(Target(address=address))
