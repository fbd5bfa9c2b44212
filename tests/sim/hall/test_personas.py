"""Every persona against its own statement, itself and the DMTF's schemas."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from iolaus.sim.personas import personas
from iolaus.sim.personas.persona import Persona
from iolaus.sim.personas.sketch import CLOSE, OPEN
from tests.sim.hall.reading import Json, counted, device_of, links, resources_of, seat_of
from tests.sim.hall.schemas import Schemas

pytestmark = pytest.mark.slow

EVERY = pytest.mark.parametrize("persona", personas().values(), ids=lambda p: p.name)


def read(persona: Persona, *, address: str = "127.16.0.1", seed: int = 1) -> dict[str, Json]:
    return resources_of(device_of(seat_of(persona, address=address, seed=seed)))


@EVERY
def test_every_link_leads_somewhere_and_everything_is_linked(persona: Persona) -> None:
    resources = read(persona)
    pointed = {
        uri
        for path, body in resources.items()
        for uri in links({name: value for name, value in body.items() if name != "@odata.id"})
    }
    assert sorted(pointed - resources.keys()) == []
    assert sorted(resources.keys() - pointed - {"/redfish/v1"}) == []


@EVERY
def test_ids_and_collections_are_consistent(persona: Persona) -> None:
    for path, body in read(persona).items():
        assert body["@odata.id"].rstrip("/") == path
        if "Members" in body:
            members = [link["@odata.id"] for link in body["Members"]]
            assert body["Members@odata.count"] == len(members) == len(set(members)), path
        elif path != "/redfish/v1":
            assert body["Id"], path


@EVERY
def test_counts_are_what_the_persona_declares(persona: Persona) -> None:
    found = counted(read(persona))
    wanted = {name: count for name, count in persona.counts.items() if count}
    assert {name: found.get(name, 0) for name in found | wanted} == {
        name: wanted.get(name, 0) for name in found | wanted
    }


@EVERY
def test_nothing_is_left_open(persona: Persona) -> None:
    text = json.dumps(read(persona), ensure_ascii=False)
    assert OPEN not in text
    assert CLOSE not in text


@EVERY
def test_two_devices_differ_and_one_device_repeats_itself(persona: Persona) -> None:
    one, same, other = read(persona), read(persona), read(persona, address="127.16.0.2")
    assert one == same
    assert one["/redfish/v1"]["UUID"] != other["/redfish/v1"]["UUID"]
    assert identities(one).isdisjoint(identities(other))


@EVERY
def test_serial_numbers_are_given_once(persona: Persona) -> None:
    """A part may be shown by two resources (a card and its processor), never by many."""
    uses = Counter(
        body["SerialNumber"] for body in read(persona).values() if body.get("SerialNumber")
    )
    assert max(uses.values(), default=0) <= 3


def identities(resources: dict[str, Json]) -> set[str]:
    names = ("SerialNumber", "UUID", "PermanentMACAddress")
    fixed = "02:00:00:00:00:01"
    return {body[n] for body in resources.values() for n in names if body.get(n)} - {fixed}


@pytest.fixture(scope="module")
def schemas(shared: Path) -> Schemas:
    return Schemas(shared / "redfish" / "dmtf-schemas-2025.4.tar.xz")


@pytest.mark.shared
@EVERY
def test_every_resource_is_valid_against_its_schema(persona: Persona, schemas: Schemas) -> None:
    faults = [
        f"{path} {fault}"
        for path, body in read(persona).items()
        if "/Oem/" not in path  # whose schemas are the makers'
        for fault in schemas.faults(body)
    ]
    assert faults == []
