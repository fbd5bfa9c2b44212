"""What things are called: one rule from endpoint and resource to the name a person types.

An operator names endpoints, not resources. So the endpoint's primary asset carries the target's
own name (or its host), and further assets behind the same controller carry that name with the
last segment of their resource. Names come from devices and hosts files, so they are reduced to
what is safe in a URL, a shell and a metrics label. The rule is a pure function of what is there:
the same endpoint gets the same names after a restart.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from iolaus.model.asset import Asset, AssetKind
from iolaus.model.endpoint import Target

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_SPACE: Final = uuid.UUID("6f2c1d0e-5b0a-5d57-9a57-1014a5000001")
MAX_NAME: Final = 120

PRIMARY: Final = (
    AssetKind.NODE,
    AssetKind.SWITCH,
    AssetKind.POWER_SHELF,
    AssetKind.PDU,
    AssetKind.CDU,
    AssetKind.DPU,
    AssetKind.LEAK,
    AssetKind.CHASSIS,
)
"""Which kind carries the endpoint's name when it shows several."""


def slug(text: str, *, otherwise: str = "x") -> str:
    """`text` with only letters, digits, dot, underscore and dash; never empty or over-long."""
    return _UNSAFE.sub("-", text).strip("-.")[:MAX_NAME] or otherwise


def endpoint_name(target: Target) -> str:
    """The target's own name, else `host` or `host-port` of its address."""
    if target.name:
        return slug(target.name, otherwise="endpoint")
    host = target.address.partition("://")[2] or target.address
    return slug(host.replace("[", "").replace("]", "").replace(":", "-"), otherwise="endpoint")


def asset_names(target: Target, assets: Iterable[Asset]) -> Mapping[str, str]:
    """Asset key -> name, for all assets of one endpoint; no two are equal."""
    base = endpoint_name(target)
    ordered = sorted(enumerate(assets), key=lambda pair: (_rank(pair[1].kind), pair[0]))
    names: dict[str, str] = {}
    for position, (_, asset) in enumerate(ordered):
        wanted = base if position == 0 else f"{base}-{_segment(asset)}"
        names[asset.key] = _free(wanted, asset=asset, base=base, taken=names.values())
    return names


def asset_name(target: Target, asset: Asset, siblings: Sequence[Asset]) -> str:
    """One asset's name; `siblings` are all assets of its endpoint, itself included or not."""
    known = siblings if any(each.key == asset.key for each in siblings) else (*siblings, asset)
    return asset_names(target, known)[asset.key]


def asset_uid(endpoint: str, key: str) -> str:
    """A UUID that stays the same for this resource of this address."""
    return str(uuid.uuid5(_SPACE, f"{endpoint}#{key}"))


def distinct(names: Iterable[str]) -> list[str]:
    """The names in order, with `-2`, `-3` ... behind a repeated one."""
    seen: dict[str, int] = {}
    taken: set[str] = set()
    result = []
    for name in names:
        candidate = name
        while candidate in taken:
            seen[name] = seen.get(name, 1) + 1
            candidate = f"{name}-{seen[name]}"
        taken.add(candidate)
        result.append(candidate)
    return result


def _rank(kind: AssetKind) -> int:
    return PRIMARY.index(kind)


def _segment(asset: Asset) -> str:
    return slug(asset.key.rstrip("/").rpartition("/")[2].lower(), otherwise=asset.kind.value)


def _free(wanted: str, *, asset: Asset, base: str, taken: Iterable[str]) -> str:
    used = set(taken)
    for candidate in (wanted, f"{base}-{asset.kind.value}-{_segment(asset)}"):
        if candidate not in used:
            return candidate
    return distinct([*used, wanted])[-1]
