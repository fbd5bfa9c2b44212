"""A live node as a baseline: what it runs now, written so that it can be applied.

Only what a baseline can say and what is known stands in it. Versions are exact; components of one
class with one version are one line; what differs among them is named by id.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Final

import msgspec

from iolaus.fleet.facts import NodeFacts
from iolaus.model.asset import Firmware
from iolaus.model.desired import Baseline

_SERVICES: Final = "services."
_NOT_NAME: Final = re.compile(r"[^a-z0-9.-]+")


def baseline_from(facts: NodeFacts, *, name: str) -> Baseline:
    """A baseline that selects this node's model and that this node satisfies."""
    model = facts.fields.get("model")
    selector = {"matchLabels": {"model": model}} if model else {"expression": facts.name}
    spec: dict[str, Any] = {"selector": selector}
    components = list(_components(facts))
    if components:
        spec["firmware"] = {"components": components}
    if bios := {s.name: s.value for s in facts.settings if s.value is not None}:
        spec["bios"] = {"raw": bios}
    if bmc := _bmc(facts):
        spec["bmc"] = bmc
    secure = next((m.value for m in facts.manager if m.name == "secureBoot.enabled"), None)
    if isinstance(secure, bool):
        spec["security"] = {"secureBoot": "required" if secure else "off"}
    document = {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Baseline",
        "metadata": {"name": _name(name)},
        "spec": spec,
    }
    return msgspec.convert(document, Baseline)


def _components(facts: NodeFacts) -> list[dict[str, Any]]:
    by_kind: dict[str, list[Firmware]] = defaultdict(list)
    for entry in facts.firmware:
        if entry.version is not None and not entry.bank:
            by_kind[entry.kind or entry.component].append(entry)
    ids = {entry.component for entry in facts.firmware}
    found = []
    for kind, entries in sorted(by_kind.items()):
        versions = {entry.version for entry in entries}
        alike = len(versions) == 1 and kind not in ids - {entries[0].component}
        rows = [(kind, entries[0])] if alike else [(e.component, e) for e in entries]
        found += [_component(word, entry) for word, entry in rows]
    return found


def _component(word: str, entry: Firmware) -> dict[str, Any]:
    row: dict[str, Any] = {"match": {"component": word}, "version": _exact(entry.version or "")}
    return row | ({"scheme": entry.scheme} if entry.scheme else {})


def _exact(version: str) -> str:
    """As a constraint; a comma or a comparison in a version cannot stand in one."""
    return version.replace(",", " ").lstrip("<>=!~ ")


def _bmc(facts: NodeFacts) -> dict[str, Any]:
    known = {m.name: m.value for m in facts.manager if m.value is not None}
    found: dict[str, Any] = {}
    if isinstance(known.get("ntp.servers"), tuple) and known.get("ntp.enabled"):
        found["ntp"] = list(known["ntp.servers"])  # type: ignore[arg-type]
    services = {
        name.removeprefix(_SERVICES): value
        for name, value in known.items()
        if name.startswith(_SERVICES) and isinstance(value, bool)
    }
    if services:
        found["services"] = services
    if isinstance(host := known.get("syslog.host"), str) and host:
        port, tls = known.get("syslog.port"), known.get("syslog.tls")
        found["syslog"] = {"host": host} | {
            name: value for name, value in (("port", port), ("tls", tls)) if value is not None
        }
    if isinstance(most := known.get("accounts.lockoutThreshold"), int) and most > 0:
        found["accounts"] = {"lockoutThreshold": most}
    if known.get("powerRestorePolicy") in ("AlwaysOn", "AlwaysOff", "LastState"):
        found["powerRestorePolicy"] = known["powerRestorePolicy"]
    return found


def _name(name: str) -> str:
    return _NOT_NAME.sub("-", name.casefold()).strip("-.")[:60] or "node"
