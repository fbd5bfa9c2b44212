"""Ten thousand machines have no keys until somebody asks one of them."""

from __future__ import annotations

from iolaus.sim.hall import build_hall
from iolaus.sim.hall_sizes import default_site
from iolaus.sim.roots import chain, keys, tpm
from iolaus.sim.roots.redfish import RootsOfTrust, plan_of
from iolaus.sim.roots.responder import Responder

MADE = (chain.identity, chain.authority, tpm.endorsement, tpm.attestation, keys._rsa_key)
V1 = "/redfish/v1"


def made() -> list[int]:
    return [cache.cache_info().misses for cache in MADE]


def test_a_hall_is_seated_and_read_without_making_a_key() -> None:
    before = made()
    seats = build_hall(default_site(1000))
    devices = [seat.device() for seat in seats]
    rooted = [device for device in devices if device.trust is not None]
    assert len(rooted) > 100
    for device in rooted[:20]:
        collection = device.get(f"{V1}/ComponentIntegrity") or {}
        for member in collection["Members"]:
            body = device.get(member["@odata.id"]) or {}
            if body["ComponentIntegrityType"] == "SPDM":
                assert body["SPDM"]["MeasurementSet"]["Measurements"]
    assert made() == before
    assert len({id(plan_of(seat.persona)) for seat in seats}) < 30


def test_devices_of_one_hall_have_identities_of_their_own_under_one_root() -> None:
    seats = [seat for seat in build_hall(default_site(60)) if seat.persona.name == "gb300-tray"]
    chains = []
    for seat in seats[:3]:
        device = seat.device()
        assert isinstance(device.trust, RootsOfTrust)
        for path in list(seat.persona.roots)[:2]:
            root = device.trust.at(device, f"{V1}/{path}")
            assert isinstance(root, Responder)
            chains.append(root.certified(0).chain)
    assert len({found[-1].public_key().public_numbers() for found in chains}) == len(chains)  # type: ignore[union-attr]
    assert len({found[0].serial_number for found in chains}) == 1
