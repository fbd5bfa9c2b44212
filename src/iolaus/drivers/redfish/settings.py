"""BIOS attributes: what is applied, and what waits for the next boot.

The `Bios` resource holds what is applied; the resource that `@Redfish.Settings` names holds what
is staged. Many devices fill the staged resource with a mirror of everything, so only what differs
counts as staged. A value that is no scalar is no attribute; it is a deviation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from iolaus.drivers.redfish._text import clean, mapping
from iolaus.drivers.redfish.bios_names import meaning_of
from iolaus.drivers.redfish.harvest import Harvest, links_in
from iolaus.model.asset import Deviation, Setting

Scalar = str | int | float | bool | None
MAX_ATTRIBUTES: Final = 5_000
_SECRET: Final = ("password", "passphrase", "secret")


class Settings(NamedTuple):
    settings: tuple[Setting, ...]
    deviations: tuple[Deviation, ...]


def _scalar(value: Any) -> Scalar:
    if isinstance(value, str):
        return clean(value, 1024)
    return value if isinstance(value, int | float) else None


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _attributes(payload: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes by name; those that hold a secret (most devices blank them, some do not) and
    annotations are left out."""
    return {
        clean(name): value
        for name, value in list(mapping(payload.get("Attributes")).items())[:MAX_ATTRIBUTES]
        if isinstance(name, str)
        and "@" not in name
        and not any(word in name.lower() for word in _SECRET)
    }


def _staged(harvest: Harvest, payload: Mapping[str, Any]) -> dict[str, Any]:
    named = mapping(payload.get("@Redfish.Settings")).get("SettingsObject")
    for uri in links_in(named):
        return _attributes(harvest.get(uri) or {})
    return {}


def _of_bios(
    uri: str, payload: Mapping[str, Any], *, staged: Mapping[str, Any], asset: str
) -> Iterator[Setting | Deviation]:
    for name, value in _attributes(payload).items():
        if not _is_scalar(value):
            yield Deviation(
                uri=uri, pointer=f"/Attributes/{name}", rule="attribute-type", detail="no scalar"
            )
            continue
        waits = staged.get(name)
        differs = waits is not None and _is_scalar(waits) and waits != value
        meaning = meaning_of(name, value)
        yield Setting(
            asset=asset,
            name=name,
            value=_scalar(value),
            staged=_scalar(waits) if differs else None,
            normal=meaning.normal if meaning else "",
            words=meaning.words if meaning else (),
        )


def read_settings(harvest: Harvest, owner: Callable[[str], str]) -> Settings:
    """All BIOS attributes of all systems. Pure; never raises."""
    settings: list[Setting] = []
    deviations: list[Deviation] = []
    staging = {
        each
        for _, payload in harvest.of_type("Bios")
        for each in links_in(mapping(payload.get("@Redfish.Settings")).get("SettingsObject"))
    }
    for uri, payload in harvest.of_type("Bios"):
        if uri in staging:
            continue
        for each in _of_bios(uri, payload, staged=_staged(harvest, payload), asset=owner(uri)):
            if isinstance(each, Setting):
                settings.append(each)
            else:
                deviations.append(each)
    return Settings(tuple(settings), tuple(deviations))
