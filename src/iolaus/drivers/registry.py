"""Finds the driver for what answers: by the manifests of the vendor folders, named by nobody.

Each folder under `vendor/` holds a `manifest.toml` (when it matches, in which order, whose it is
and because of what it exists), a `quirks.py` with repairs of payloads, and a README. This module
reads whatever folders there are, so that adding a vendor touches no file outside its folder. What
no manifest claims is served by the generic driver, and that is the normal case: a vendor folder
exists only where a real deviation demands one.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from typing import Any, Final

import msgspec

from iolaus.drivers import vendor
from iolaus.drivers.ports import Repair, SmoothsPower
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import WeErred

FIELDS: Final = frozenset(
    {"vendor", "product", "name", "oem", "manufacturer", "redfish_version", "uuid"}
)
"""What `identify` may tell and a manifest may match on."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`match` maps a field of the identity to a regular expression; all must be found. Lower
    `order` is asked first. `follow` maps a path inside a resource to the type of the members of
    the collection that it links to: links beyond the standard's that the crawl shall follow."""

    name: str
    order: int
    codeowner: str
    because: str
    match: dict[str, str]
    follow: dict[str, str] = {}

    def claims(self, identity: Mapping[str, str]) -> bool:
        found = (re.search(rule, identity.get(field, "")) for field, rule in self.match.items())
        return bool(self.match) and all(found)


def load_manifest(text: str, *, folder: str) -> Manifest:
    """A manifest, checked: unknown keys, fields or expressions are our own error."""
    try:
        manifest = msgspec.convert(tomllib.loads(text), Manifest)
        for rule in manifest.match.values():
            re.compile(rule)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, re.error) as error:
        raise _broken(folder, str(error)) from error
    unknown = sorted(set(manifest.match) - FIELDS)
    if unknown:
        raise _broken(folder, f"cannot match on {', '.join(unknown)}")
    return manifest


def _broken(folder: str, why: str) -> WeErred:
    return WeErred(
        why,
        operation="load vendor manifest",
        subject=folder,
        code="VendorManifestBroken",
        next_step="Correct manifest.toml in that folder (docs/add-a-vendor.md).",
    )


@cache
def manifests() -> tuple[tuple[Manifest, str], ...]:
    """(manifest, folder name) of every vendor folder, in the order in which they are asked."""
    found = []
    for module in pkgutil.iter_modules(vendor.__path__):
        if module.ispkg:
            text = files(vendor).joinpath(module.name, "manifest.toml").read_text(encoding="utf-8")
            found.append((load_manifest(text, folder=module.name), module.name))
    return tuple(sorted(found, key=lambda pair: (pair[0].order, pair[1])))


@cache
def repairs_of(folder: str) -> tuple[Repair, ...]:
    """The repairs that a vendor folder's `quirks.py` offers."""
    quirks: Any = importlib.import_module(f"{vendor.__name__}.{folder}.quirks")
    return tuple(quirks.REPAIRS)


@cache
def smoothers() -> tuple[SmoothsPower, ...]:
    """Whatever the vendor folders' `ports.py` offer that smooths the power of processors."""
    names = [f"{vendor.__name__}.{folder}.ports" for _, folder in manifests()]
    modules: list[Any] = [importlib.import_module(name) for name in names if find_spec(name)]
    return tuple(
        port for module in modules for port in module.PORTS if isinstance(port, SmoothsPower)
    )


def find_driver(identity: Mapping[str, str]) -> RedfishDriver:
    """The driver for a device that identifies itself so; the generic one where none claims it."""
    for manifest, folder in manifests():
        if manifest.claims(identity):
            return _driver(manifest, folder)
    return RedfishDriver()


def driver_named(name: str) -> RedfishDriver:
    """The driver that a report names; the generic one where none is called so."""
    for manifest, folder in manifests():
        if manifest.name == name:
            return _driver(manifest, folder)
    return RedfishDriver()


def _driver(manifest: Manifest, folder: str) -> RedfishDriver:
    return RedfishDriver(name=manifest.name, repairs=repairs_of(folder), follow=manifest.follow)
