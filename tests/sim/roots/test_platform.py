"""TPM quotes and the logs beside them, judged by the verifier that knows no sim."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.x509.oid import ObjectIdentifier

from iolaus.sim.roots import tpm
from iolaus.sim.roots.algorithms import HASHINGS, SHA1, SHA256, SHA384
from iolaus.sim.roots.asking import Refused
from iolaus.sim.roots.firmware import Image
from iolaus.sim.roots.lies import Lie
from iolaus.sim.roots.platform import Platform
from iolaus.sim.roots.questions import TpmQuestion
from tests.sim.roots.spdm_verifier import Rejected, check_chain
from tests.sim.roots.tpm_verifier import (
    Logged,
    Quote,
    parse_attest,
    parse_log,
    replay,
    secure_boot,
    split,
    verify,
)
from tests.sim.roots.world import INVENTORY, NONCE, machine, platform, trusted

ASKED = TpmQuestion(nonce=NONCE, selection=[(SHA256, range(10))])


def judged(
    root: Platform, asked: TpmQuestion = ASKED, *, nonce: bytes = NONCE
) -> tuple[Quote, list[Logged]]:
    chain = list(root.certified(asked.key).chain)
    data = root.quote(asked)
    return verify(data, chain=chain, anchors=trusted(), nonce=nonce, log=root.log())


@pytest.mark.parametrize(
    ("key", "scheme"), [("ecc", tpm.ECDSA), ("rsa", tpm.RSASSA), ("rsa", tpm.RSAPSS)]
)
@pytest.mark.parametrize("hashing", HASHINGS.values(), ids=HASHINGS)
def test_every_key_and_scheme_verifies(key: str, scheme: int, hashing: object) -> None:
    root = platform(keys=("ecc", "rsa"))
    asked = replace(ASKED, key=key, scheme=scheme, hashing=hashing)  # type: ignore[arg-type]
    quote, _ = judged(root, asked)
    assert quote.selection == (("sha256", tuple(range(10))),)
    assert (quote.resets, quote.restarts, quote.safe) == (1, 0, True)


@pytest.mark.parametrize("locality", [0, 3])
def test_every_bank_holds_what_the_log_says(locality: int) -> None:
    root = platform(locality=locality)
    selection = [(SHA1, [0, 7]), (SHA384, [0, 4, 23])]
    quote, events = judged(root, replace(ASKED, selection=selection))
    assert quote.selection == (("sha1", (0, 7)), ("sha384", (0, 4, 23)))
    held = root.registers()
    for algorithm, name in (("sha1", "SHA_1"), ("sha256", "SHA_256"), ("sha384", "SHA_384")):
        assert list(replay(events, algorithm).values()) == held[name]
    assert replay(events, "sha256")[0] != bytes(32)
    assert any(event.data.startswith(b"StartupLocality") for event in events) == bool(locality)


def test_the_log_tells_firmware_settings_and_secure_boot() -> None:
    _, events = judged(platform())
    version, blob = (next(e for e in events if e.kind == kind) for kind in (0x8, 0x8000000A))
    assert version.data.decode("utf-16-le") == "2.4.1\0"
    assert blob.digests["sha384"] == hashlib.sha384(Image("BIOS", "2.4.1").data).digest()
    assert any(event.data == b'{"Sriov":"Enabled"}' for event in events)
    assert secure_boot(events)
    assert [event.register for event in events if event.kind == 0x4] == [7, *range(7)]


def test_firmware_and_settings_count_from_the_next_boot_on() -> None:
    host = machine()
    root = platform(host=host)
    before = judged(root)[0].digest
    host.pages[f"{INVENTORY}/BIOS"]["Version"] = "2.5.0"
    host.pages["/redfish/v1/Systems/1/SecureBoot"]["SecureBootCurrentBoot"] = "Disabled"
    assert judged(root)[0].digest == before
    host.t += 60
    root.booted()
    host.t += 5
    quote, events = judged(root)
    assert quote.digest != before
    assert (quote.resets, quote.clock_ms) == (2, 5000)
    assert not secure_boot(events)


def test_the_attestation_key_belongs_to_the_endorsement_key() -> None:
    root = platform()
    endorsement, attestation = root.certified("ek"), root.certified("ecc")
    check_chain(endorsement.chain, trusted())
    usage = endorsement.leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert [oid.dotted_string for oid in usage.value] == ["2.23.133.8.1"]
    names = attestation.leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    (module,) = names.value.get_values_for_type(x509.OtherName)
    assert module.type_id == ObjectIdentifier("1.3.6.1.5.5.7.8.4")
    issuer = endorsement.leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    number = f"{(issuer.value.key_identifier or b'').hex()}:{endorsement.leaf.serial_number:x}"
    assert number.encode() in module.value


def test_what_a_tpm_cannot_is_refused() -> None:
    with pytest.raises(Refused):
        platform(banks=("SHA_256",)).quote(replace(ASKED, selection=[(SHA1, [0])]))


@pytest.mark.parametrize(
    ("kind", "verdict", "same_quote", "same_log"),
    [
        ("tpm_replay", "stale", False, True),
        ("tpm_wrong_nonce", "stale", False, True),
        ("tpm_bad_signature", "signature", True, True),
        ("tpm_forged_root", "unanchored", False, True),
        ("tpm_swapped_identity", "", False, True),
        ("tpm_stale_firmware", "", False, False),
        ("tpm_tampered", "", False, False),
        ("tpm_log_edited", "log", True, False),
        ("tpm_secure_boot_off", "", False, False),
    ],
)
def test_a_lie_changes_one_thing(kind: str, verdict: str, same_quote: bool, same_log: bool) -> None:
    honest, lying = platform(), platform(Lie(kind))
    assert reason(lying) == verdict
    mine, theirs = (parse_attest(split(root.quote(ASKED))[0]) for root in (honest, lying))
    assert (mine == theirs) == same_quote
    changed = {"tpm_replay": "nonce", "tpm_wrong_nonce": "nonce", "tpm_forged_root": "signer",
               "tpm_swapped_identity": "signer"}.get(kind, "digest")  # fmt: skip
    assert replace(theirs, **{changed: getattr(mine, changed)}) == mine
    assert (honest.log() == lying.log()) == same_log


@pytest.mark.parametrize(
    ("kind", "registers", "kinds"),
    [
        ("tpm_stale_firmware", {0}, {0x8000000A}),
        ("tpm_tampered", {0}, {0x8000000A}),
        ("tpm_log_edited", {8}, {0xD}),
        ("tpm_secure_boot_off", {7}, {0x80000001, 0x800000E0}),
    ],
)
def test_a_lie_about_the_boot_is_in_one_register(
    kind: str, registers: set[int], kinds: set[int]
) -> None:
    honest, lying = (parse_log(root.log()) for root in (platform(), platform(Lie(kind))))
    mine, theirs = replay(honest, "sha256"), replay(lying, "sha256")
    assert {number for number in mine if mine[number] != theirs[number]} == registers
    odd = [e for e in honest if e not in lying] + [e for e in lying if e not in honest]
    assert {event.kind for event in odd} == kinds


def reason(root: Platform) -> str:
    try:
        judged(root)
    except Rejected as why:
        return str(why).split(":")[0]
    return ""
