"""Secure Boot's databases: read, changed, reset, in force at the next start, and measured."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iolaus.sim.roots import eventlog
from iolaus.sim.roots.boot import secure_variables
from iolaus.sim.roots.chain import authority, root_authority
from iolaus.sim.roots.platform import Platform
from iolaus.sim.roots.redfish import RootsOfTrust
from tests.sim.manners.stage import Bench, Json, as_user, bench, id_of, until

TRAY = "gb300-tray"
HOST = "/redfish/v1/Systems/System_0"
PLACE = f"{HOST}/SecureBoot"
BASES = f"{PLACE}/SecureBootDatabases"
DIGEST = "ab" * 32


def signature(**more: Any) -> Json:
    told = {"SignatureTypeRegistry": "UEFI", "SignatureType": "EFI_CERT_SHA256_GUID"}
    return {**told, "SignatureString": DIGEST, **more}


def certificate() -> str:
    """Of somebody else than the hall's own authority."""
    return authority("elsewhere", "Loader").leaf.public_bytes(Encoding.PEM).decode()


async def post(on: Bench, path: str, body: Json) -> tuple[int, Json]:
    status, said, _ = await on.ask("POST", path, json=body)
    return status, said


async def restarted(on: Bench) -> None:
    for kind, state in (("ForceOff", "Off"), ("On", "On")):
        await on.act(HOST, "ComputerSystem.Reset", ResetType=kind)

        async def so(wanted: str = state) -> bool:
            return bool((await on.get(HOST))["PowerState"] == wanted)

        await until(so)


async def test_a_host_begins_with_the_halls_authority_and_four_barred_digests() -> None:
    async with bench(TRAY) as on:
        held = await on.get(PLACE)
        assert (held["SecureBootMode"], held["SecureBootCurrentBoot"]) == ("UserMode", "Enabled")
        names = [path.rpartition("/")[2] for path in await on.members(BASES)]
        assert names == ["PK", "KEK", "db", "dbx"]
        for name in ("PK", "KEK", "db"):
            (place,) = await on.members(f"{BASES}/{name}/Certificates")
            pem = (await on.get(place))["CertificateString"].encode()
            assert x509.load_pem_x509_certificate(pem) == root_authority("11").leaf
        assert len(await on.members(f"{BASES}/dbx/Signatures")) == 4


async def test_keys_are_added_removed_and_brought_back() -> None:
    async with bench(TRAY) as on:
        body = {"CertificateString": certificate(), "CertificateType": "PEM"}
        status, made = await post(on, f"{BASES}/db/Certificates", body)
        assert status == 201
        assert made["Issuer"]["CommonName"] == "Simulated Hall Root CA"
        status, made = await post(on, f"{BASES}/dbx/Signatures", signature())
        assert (status, made["SignatureString"]) == (201, DIGEST)
        assert (await on.ask("DELETE", made["@odata.id"]))[0] in (200, 204)
        assert len(await on.members(f"{BASES}/dbx/Signatures")) == 4
        assert (await on.act(PLACE, "SecureBoot.ResetKeys", ResetKeysType="DeleteAllKeys"))[
            0
        ] == 204
        assert await on.members(f"{BASES}/dbx/Signatures") == []
        kind = "ResetAllKeysToDefault"
        one = "SecureBootDatabase.ResetKeys"
        assert (await on.act(f"{BASES}/db", one, ResetKeysType=kind))[0] == 204
        assert await on.members(f"{BASES}/db/Certificates") == [f"{BASES}/db/Certificates/1"]
        assert await on.members(f"{BASES}/KEK/Certificates") == []


@pytest.mark.parametrize(
    ("below", "body", "why"),
    [
        ("PK/Certificates", "certificate", "CreateLimitReachedForResource"),
        ("db/Certificates", {"CertificateType": "PEM"}, "PropertyMissing"),
        (
            "db/Certificates",
            {"CertificateType": "PEM", "CertificateString": "x"},
            "PropertyValueFormatError",
        ),
        ("dbx/Signatures", signature(SignatureString="12"), "PropertyValueFormatError"),
        ("dbx/Signatures", signature(SignatureType="EFI_CERT_X"), "PropertyValueNotInList"),
        ("dbx/Signatures", signature(UefiSignatureOwner="me"), "PropertyValueFormatError"),
        ("dbx/Signatures", {"SignatureType": "x"}, "PropertyMissing"),
    ],
)
async def test_what_is_no_key_is_refused(below: str, body: Any, why: str) -> None:
    if body == "certificate":
        body = {"CertificateString": certificate(), "CertificateType": "PEM"}
    async with bench(TRAY) as on:
        status, said = await post(on, f"{BASES}/{below}", body)
        assert (status, id_of(said)) == (400, why)


async def test_without_a_platform_key_nothing_is_enforced_from_the_next_start_on() -> None:
    async with bench(TRAY) as on:
        assert (await on.act(PLACE, "SecureBoot.ResetKeys", ResetKeysType="DeletePK"))[0] == 204
        assert (await on.get(PLACE))["SecureBootMode"] == "UserMode"
        await restarted(on)
        held = await on.get(PLACE)
        assert (held["SecureBootMode"], held["SecureBootCurrentBoot"]) == ("SetupMode", "Disabled")
        body = {"CertificateString": certificate(), "CertificateType": "PEM"}
        assert (await post(on, f"{BASES}/PK/Certificates", body))[0] == 201
        await restarted(on)
        assert (await on.get(PLACE))["SecureBootCurrentBoot"] == "Enabled"


async def test_switching_it_off_counts_from_the_next_start_on() -> None:
    async with bench(TRAY) as on:
        status, said, _ = await on.ask("PATCH", PLACE, json={"SecureBootMode": "SetupMode"})
        assert (status, id_of(said)) == (400, "PropertyNotWritable")
        assert (await on.ask("PATCH", PLACE, json={"SecureBootEnable": False}))[0] == 200
        assert (await on.get(PLACE))["SecureBootCurrentBoot"] == "Enabled"
        await restarted(on)
        assert (await on.get(PLACE))["SecureBootCurrentBoot"] == "Disabled"


def policy(on: Bench) -> list[bytes]:
    """What the host's TPM measured of secure boot at its last start."""
    roots = on.device.trust
    assert isinstance(roots, RootsOfTrust)
    platform = roots.at(on.device, "/redfish/v1/ComponentIntegrity/TPM_0")
    assert isinstance(platform, Platform)
    return [event.measured or event.logged for event in platform.events() if event.register == 7]


async def test_the_tpm_measures_the_keys_of_the_last_start() -> None:
    async with bench(TRAY) as on:
        drawn = policy(on)
        assert drawn[1:5] == list(map(_variable, secure_variables("11").items()))
        assert (await post(on, f"{BASES}/dbx/Signatures", signature()))[0] == 201
        assert policy(on) == drawn
        await restarted(on)
        changed = policy(on)
        assert [n for n, each in enumerate(changed) if each != drawn[n]] == [4]
        assert bytes.fromhex(DIGEST) in changed[4]


def _variable(named: tuple[str, bytes]) -> bytes:
    name, data = named
    space = eventlog.IMAGE_SECURITY if name in ("db", "dbx") else eventlog.GLOBAL
    return eventlog.variable(space, name, data)


async def test_readers_change_no_keys() -> None:
    async with bench(TRAY) as on:
        user = {"UserName": "reader", "Password": "long-enough-1", "RoleId": "ReadOnly"}
        await on.ask("POST", "/redfish/v1/AccountService/Accounts", json=user)
        status, said, _ = await on.ask(
            "POST", f"{BASES}/dbx/Signatures", json=signature(), **as_user("reader")
        )
        assert (status, id_of(said)) == (403, "InsufficientPrivilege")
