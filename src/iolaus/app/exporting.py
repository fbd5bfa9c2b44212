"""`iolaus export site`: the fleet that was discovered, as a site that `iolaus sim hall` serves.

What the server knows of each endpoint (assets, parts, sensors, firmware, by REST) is drawn as the
likeness of a machine; machines of one shape share one drawing, as they do in a hall. Names and
places are kept, addresses are others (127.x.y.z), and serial numbers, UUIDs and MAC addresses are
made up anew unless they shall be kept.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.client import Client
from iolaus.north.kinds import KINDS, Source
from iolaus.sim.rehearsal.folder import Shape, Standing, cleaned, plain_name, write_site
from iolaus.sim.rehearsal.likeness import Facts, likeness, shape_of

API: Final = "/api/v1"
ADDRESSES: Final = frozenset({"modbus", "serial", "snmp"})
"""Labels that say where something answers; a twin answers elsewhere."""
Fact = Mapping[str, Any]


class Exported(NamedTuple):
    """What was written, and the endpoints of which nothing is known."""

    site: Path
    machines: int
    shapes: int
    unknown: list[str]


def exported(
    client: Client, out: Path, *, selector: str | None = None, keep: bool = False
) -> Exported:
    """Raises what the server refuses, and `OperatorMust` where there is nothing to write."""
    fleet = dict(fleet_of(client, selector))
    if not fleet:
        raise OperatorMust(
            "nothing was discovered that this means",
            operation="export",
            subject=selector or "site",
            code="NothingToExport",
            next_step="`iolaus discover` first; `iolaus get endpoints` shows what is known.",
        )
    names = {e["address"]: str(e["name"]) for e in client.pages(f"{API}/endpoints")}
    shapes, standing = drawn(fleet, names, keep=keep)
    name = plain_name(out.stem, set())
    site = write_site(out, shapes, standing, name=name, keep=keep)
    unknown = [] if selector else [n for a, n in names.items() if a not in fleet]
    return Exported(site, len(standing), len(shapes), unknown)


def fleet_of(client: Client, selector: str | None) -> Iterator[tuple[str, Facts]]:
    """What is known, by the endpoint's address."""
    assets = list(assets_of(client, selector))
    owners = {str(asset["name"]): str(asset["endpoint"]) for asset in assets}
    parts = by_endpoint(client.pages(f"{API}/components"), owners)
    sensors = by_endpoint(client.pages(f"{API}/sensors"), owners)
    firmware = by_endpoint(client.pages(f"{API}/firmware"), owners)
    carried: dict[str, list[Fact]] = defaultdict(list)
    for asset in assets:
        carried[str(asset["endpoint"])].append(asset)
    for address, mine in sorted(carried.items()):
        yield address, Facts(mine, parts[address], sensors[address], firmware[address])


def assets_of(client: Client, selector: str | None) -> Iterator[Fact]:
    for kind in KINDS:
        if kind.source is Source.ASSET:
            yield from client.pages(f"{API}/{kind.plural}", labelSelector=selector)
    for leak in client.pages(f"{API}/leaks", labelSelector=selector):
        if leak["name"] == leak["node"]:
            yield leak


def by_endpoint(facts: Iterable[Fact], owners: Mapping[str, str]) -> Mapping[str, list[Fact]]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if (address := owners.get(str(fact["node"]))) is not None and fact.get("uri"):
            found[address].append(fact)
    return found


def drawn(
    fleet: Mapping[str, Facts], names: Mapping[str, str], *, keep: bool
) -> tuple[list[Shape], list[Standing]]:
    """A shape for each kind of machine, and where each machine stands."""
    shapes: dict[Any, Shape] = {}
    standing, taken = list[Standing](), set[str]()
    for address, facts in fleet.items():
        name = names.get(address, address)
        first = next((a for a in facts.assets if a["name"] == name), facts.assets[0])
        resources = likeness(facts)
        key = address if keep else (first["kind"], shape_of(resources))
        if key not in shapes:
            stem = plain_name(f"{first.get('vendor') or ''}-{first.get('model') or name}", taken)
            taken.add(stem)
            shapes[key] = Shape(stem, cleaned(resources, keep=keep), str(first["kind"]))
        labels = {k: v for k, v in (first.get("labels") or {}).items() if k not in ADDRESSES}
        standing.append(Standing(name, shapes[key].name, labels))
    return list(shapes.values()), sorted(standing)
