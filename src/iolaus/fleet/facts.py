"""What a judge sees of one asset: its facts, and why nothing is known where that is so.

Taken from the store in one step and frozen, so that a judge is a pure function and a plan can say
by a digest what it was made from. The digest covers what is compared (versions, settings) and not
what moves by itself (times, temperatures).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from iolaus.model.asset import Asset, Certificate, Firmware, ManagerSetting, Setting
from iolaus.model.condition import Sight, blindness
from iolaus.model.credential import CredentialFact
from iolaus.model.endpoint import Mode
from iolaus.model.fact import value_of
from iolaus.model.naming import asset_names, asset_uid
from iolaus.model.select import MISSING, Lookup
from iolaus.store.held import Held

DIGEST_LENGTH: Final = 16
_SPEAKERS: Final = ("node", "dpu", "switch")
PASSING: Final = "boot.override."
"""Settings that a start of the host uses up: when they are other, the world is not."""
FIELDS: Final = ("name", "uid", "kind", "vendor", "model", "serial", "sku", "hostname", "mode",
                 "endpoint", "health", "power_state", "bmc_firmware", "rack", "row",
                 "hall")  # fmt: skip


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One asset as it was read at `observed_at`. `blind` says why none of it may be believed now
    (empty: it may); `partial` are the URIs that could not be read. `credential` is a fact of ours:
    its login, None where it has none."""

    uid: str
    name: str
    key: str
    endpoint: str
    kind: str
    labels: Mapping[str, str]
    fields: Mapping[str, str | None]
    managed: bool
    observed_at: float | None = None
    blind: str = ""
    firmware: tuple[Firmware, ...] = ()
    settings: tuple[Setting, ...] = ()
    manager: tuple[ManagerSetting, ...] = ()
    capabilities: frozenset[str] = frozenset()
    partial: Mapping[str, str] = {}
    certificates: tuple[Certificate, ...] = ()
    """Of the endpoint, at the one asset that answers for it."""
    answers: bool = True
    credential: CredentialFact | None = None

    def lookup(self) -> Lookup:
        """Labels first, then fields, as selectors do everywhere."""

        def look(key: str) -> object:
            if key in self.labels:
                return self.labels[key]
            return self.fields.get(key, MISSING)

        return look

    def digest(self) -> str:
        """Of everything that a judge compares, and of who it is; 16 hex digits."""
        compared: list[Any] = [self.uid, self.fields.get("serial"), sorted(self.labels.items())]
        compared += sorted([f.component, f.version, f.state] for f in self.firmware)
        compared += sorted([s.name, str(s.value), str(s.staged)] for s in self.settings)
        lasting = (m for m in self.manager if not m.name.startswith(PASSING))
        compared += sorted([m.name, str(m.value), str(m.staged)] for m in lasting)
        if self.credential is not None:
            login = self.credential
            compared.append([login.user, login.number, login.fallen])
        return hashlib.sha256(msgspec.json.encode(compared)).hexdigest()[:DIGEST_LENGTH]


def facts_of(
    held: Held, *, now: float, slow_interval_s: float, credential: CredentialFact | None = None
) -> Iterator[NodeFacts]:
    """Every asset of one endpoint. An asset whose inventory is older than two periods is blind."""
    report = held.report
    if report is None:
        return
    sight = Sight(
        now=now,
        interval_s=slow_interval_s,
        slow_interval_s=slow_interval_s,
        status=held.status,
        report=report,
    )
    blind = blindness(sight) or _stale(sight)
    names = asset_names(held.target, report.assets)
    grouped = _by_asset(report.firmware), _by_asset(report.settings)
    alone = len(report.assets) == 1
    first = next((a.key for a in report.assets if a.kind.value in _SPEAKERS), None)
    for asset in report.assets:
        manager = tuple(m for m in report.manager_settings if alone or _is_of(m, asset))
        yield NodeFacts(
            uid=held.uids.get(asset.key) or asset_uid(held.target.address, asset.key),
            name=names[asset.key],
            key=asset.key,
            endpoint=held.target.address,
            kind=asset.kind.value,
            labels=held.target.labels,
            fields=_fields(held, asset, names[asset.key]),
            managed=held.target.mode is Mode.MANAGED,
            observed_at=report.observed_at,
            blind=blind,
            firmware=tuple(grouped[0].get(asset.key, ())),
            settings=tuple(grouped[1].get(asset.key, ())),
            manager=manager,
            capabilities=frozenset(asset.capabilities),
            partial=report.partial,
            certificates=report.certificates if first in (None, asset.key) else (),
            answers=first in (None, asset.key),
            credential=credential,
        )


def _is_of(setting: ManagerSetting, asset: Asset) -> bool:
    return setting.asset in (None, asset.key)


def _stale(sight: Sight) -> str:
    assert sight.report is not None
    if not sight.is_stale(sight.report.observed_at, interval_s=sight.slow_interval_s):
        return ""
    return "its inventory is older than two reading periods"


def _by_asset(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for row in rows:
        found.setdefault(row.asset, []).append(row)
    return found


def _fields(held: Held, asset: Asset, name: str) -> dict[str, str | None]:
    labels, place = held.target.labels, asset.place
    hot = held.assets.get(asset.key, asset)
    power, health = value_of(hot.power_state), value_of(hot.health)
    return {
        "name": name,
        "kind": asset.kind.value,
        "vendor": asset.vendor,
        "model": asset.model,
        "serial": asset.identity.serial,
        "uuid": asset.identity.uuid,
        "sku": asset.identity.sku,
        "hostname": asset.hostname,
        "endpoint": held.target.address,
        "mode": held.target.mode.value,
        "health": health.value if health else None,
        "power_state": power.value if power else None,
        "bmc_firmware": asset.bmc_firmware,
        "rack": labels.get("rack") or place.rack,
        "row": labels.get("row") or place.row,
        "hall": labels.get("hall") or place.hall,
    }
