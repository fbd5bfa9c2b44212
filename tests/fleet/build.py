"""Baselines and nodes as tests write them."""

from __future__ import annotations

from typing import Any

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.model.asset import Firmware, ManagerSetting, Setting
from iolaus.model.desired import Baseline

BASELINE = """\
apiVersion: iolaus.dev/v1
kind: Baseline
metadata: {name: trays-2026.11}
spec:
  selector: {matchLabels: {model: GB300 NVL}}
  firmware:
    components:
      - match: {component: bmc}
        version: "25.09-1"
      - match: {component: erot}
        version: ">=01.04.0031"
        scheme: suffix
        after: [bmc]
  bios:
    normalized: {iommu: true}
    raw: {EgmMode: Disabled}
  bmc:
    ntp: [10.0.0.1, 10.0.0.2]
    services: {ipmiOverLan: false}
"""


def baseline(name: str = "base", labels: dict[str, str] | None = None, **spec: Any) -> Baseline:
    selector = {"matchLabels": labels or {"model": "m1"}}
    document = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": name},
        "spec": {"selector": selector, **spec},
    }
    return msgspec.convert(document, Baseline)


def firmware(component: str, version: str | None, **fields: Any) -> Firmware:
    given: dict[str, Any] = {"name": component, "asset": "Systems/1", "uri": f"/fw/{component}"}
    return Firmware(component=component, version=version, **{**given, **fields})


def setting(name: str, value: Any, **fields: Any) -> Setting:
    return Setting(asset="Systems/1", name=name, value=value, **fields)


def manager(name: str, value: Any, **fields: Any) -> ManagerSetting:
    return ManagerSetting(name=name, value=value, uri="/redfish/v1/Managers/1", **fields)


def node(name: str = "n1", **fields: Any) -> NodeFacts:
    given: dict[str, Any] = {
        "uid": f"uid-{name}",
        "name": name,
        "key": "Systems/1",
        "endpoint": f"https://{name}",
        "kind": "node",
        "labels": {"rack": "r1"},
        "fields": {"name": name, "model": "m1", "vendor": "Acme", "kind": "node"},
        "managed": True,
        "observed_at": 1000.0,
        "firmware": (firmware("BMC", "1.7", kind="bmc"),),
    }
    return NodeFacts(**{**given, **fields})
