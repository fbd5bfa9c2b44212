"""What is odd about a package that can be read: bytes that nobody claims, and things twice.

A device would take such a package. But what no record names is where things are hidden, and where
two images answer to one name it is the device's reader that decides which one it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from iolaus.wire.pldm.package import Package


class Oddity(msgspec.Struct, frozen=True):
    """`code` is a stable word in kebab case, `offset` in bytes from byte 0 of the package."""

    code: str
    message: str
    offset: int


def oddities(package: Package) -> Iterator[Oddity]:
    """In the order of the package's parts."""
    yield from _records_twice(package)
    yield from _components_twice(package)
    yield from _for_nobody(package)
    yield from _manifests(package)
    yield from _unclaimed(package)


def _records_twice(package: Package) -> Iterator[Oddity]:
    seen = set()
    for record in package.records:
        key = (record.downstream, frozenset(record.descriptors))
        if key in seen:
            named = ", ".join(str(each) for each in record.descriptors)
            yield Oddity("duplicate-device", f"two records are for {named}", package.header_size)
        seen.add(key)
        if len(frozenset(record.descriptors)) < len(record.descriptors):
            told = "a record names one descriptor twice"
            yield Oddity("duplicate-descriptor", told, package.header_size)


def _components_twice(package: Package) -> Iterator[Oddity]:
    places = defaultdict(list)
    for each in package.components:
        places[each.classification, each.identifier].append(each)
    for (classification, identifier), found in places.items():
        if len(found) > 1:
            told = (
                f"{len(found)} images are component {identifier:#06x} "
                f"of classification {classification}"
            )
            yield Oddity("duplicate-component", told, found[1].offset)
    by_place = defaultdict(list)
    for each in package.components:
        by_place[each.offset].append(each)
    for offset, found in by_place.items():
        if len(found) > 1:
            told = f"components {', '.join(str(e.index) for e in found)} are the same bytes"
            yield Oddity("shared-image", told, offset)


def _for_nobody(package: Package) -> Iterator[Oddity]:
    wanted = {number for record in package.records for number in record.components}
    for each in package.components:
        if each.index not in wanted:
            told = f"no device takes component {each.index}"
            yield Oddity("component-for-nobody", told, each.offset)


def _manifests(package: Package) -> Iterator[Oddity]:
    held = [record for record in package.records if record.reference_manifest]
    if held:
        told = f"{len(held)} records carry reference manifests; the package does not vouch for them"
        yield Oddity("reference-manifest", told, package.header_size)


def _unclaimed(package: Package) -> Iterator[Oddity]:
    at = package.header_size
    for each in sorted(package.components, key=lambda c: c.offset):
        if each.offset > at:
            yield Oddity("unclaimed-bytes", f"{each.offset - at} bytes are of no image", at)
        at = max(at, each.offset + each.size)
    if package.size > at:
        yield Oddity("unclaimed-bytes", f"{package.size - at} bytes follow the last image", at)
