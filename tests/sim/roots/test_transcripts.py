"""Honest transcripts of every version and algorithm, judged by the verifier that knows no sim."""

from __future__ import annotations

import hashlib
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from iolaus.sim.roots.algorithms import HASHINGS, SIGNINGS
from iolaus.sim.roots.asking import Refused
from iolaus.sim.roots.firmware import Image, version_before
from iolaus.sim.roots.spdm import ALL
from tests.sim.roots.spdm_verifier import Rejected, Transcript, parse_chain
from tests.sim.roots.world import INVENTORY, NONCE, checked, machine, responder

VERSIONS = ("1.1", "1.2", "1.3")
CURVES = [name for name, signing in SIGNINGS.items() if signing.curve is not None]
MODULI = [name for name, signing in SIGNINGS.items() if signing.modulus_bits]
NEAR = {2048: "h1-r08-u12", 3072: "h1-r04-u33", 4096: "h1-r09-u20"}
"""Devices whose primes happen to lie near where the search for them begins."""


@pytest.mark.parametrize(("version", "signing", "hashing"), [*product(VERSIONS, CURVES, HASHINGS)])
def test_every_curve_hash_and_version_verifies(version: str, signing: str, hashing: str) -> None:
    root = responder(version=version, signing=signing, hashing=hashing)
    found = checked(root, root.transcript(NONCE))
    assert [(b.index, b.kind, b.raw) for b in found.blocks] == [
        (1, 0, False), (2, 1, False), (3, 1, False), (4, 2, False), (5, 3, False),
        (0x10, 7, True), (0x11, 7, True), (0x20, 6, True), (0x21, 6, True),
        (0xFD, 4, True), (0xFE, 5, True),
    ]  # fmt: skip


@pytest.mark.parametrize("signing", MODULI)
def test_every_modulus_and_padding_verifies(signing: str) -> None:
    bits = SIGNINGS[signing].modulus_bits
    for version in VERSIONS:
        root = responder(name=NEAR[bits], version=version, signing=signing)
        checked(root, root.transcript(NONCE))
    key = root.certified(0).key
    assert isinstance(key, rsa.RSAPrivateKey)
    assert key.key_size == bits


@pytest.mark.parametrize("version", VERSIONS)
def test_single_blocks_are_asked_one_by_one_and_signed_together(version: str) -> None:
    root = responder(version=version)
    whole = {block.index: block for block in checked(root, root.transcript(NONCE)).blocks}
    found = checked(root, root.transcript(NONCE, [3, 0xFE, 1]))
    assert [(pair.index, pair.signed) for pair in found.pairs] == [
        (3, False), (0xFE, False), (1, True),
    ]  # fmt: skip
    assert found.blocks == [whole[3], whole[0xFE], whole[1]]
    nonces = {pair.responder_nonce for pair in found.pairs}
    assert len(nonces) == 3


def test_index_zero_counts_the_blocks() -> None:
    root = responder(version="1.3")
    (pair,) = checked(root, root.transcript(NONCE, [0])).pairs
    assert (pair.param1, pair.blocks) == (11, ())


def test_what_is_not_there_is_refused() -> None:
    root = responder()
    for indices, slot in (([77], 0), ([ALL], 1)):
        with pytest.raises(Refused):
            root.transcript(NONCE, indices, slot)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_the_negotiation_is_signed_from_1_2_on(version: str) -> None:
    root = responder(version=version, signing="ECDSA_P521", hashing="SHA_512")
    data = root.transcript(NONCE)
    said = checked(root, data).negotiated
    assert said is not None
    assert said.minors == tuple(range(1, int(version[-1]) + 1))
    assert (said.signing, said.hashing, said.measured) == ("ECDSA_P521", "SHA_512", "SHA_512")
    assert said.responder_flags & 0x18 == 0x10  # MEAS_CAP: with signatures
    assert said.responder_flags & 0x200000  # ALIAS_CERT_CAP
    flags = data.index(said.responder_flags.to_bytes(4, "little"))
    with pytest.raises(Rejected, match="signature"):
        checked(root, data[:flags] + b"\x26" + data[flags + 1 :])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("place", range(5, 300, 37))
def test_any_changed_byte_is_noticed(version: str, place: int) -> None:
    root = responder(version=version)
    data = bytearray(root.transcript(NONCE))
    data[-place] ^= 0x40
    with pytest.raises(Rejected):
        checked(root, bytes(data))


def test_a_further_slot_is_the_same_keys_under_an_owners_root() -> None:
    root = responder(version="1.3", slots=(0, 1, 7))
    for slot in (0, 1, 7):
        found = checked(root, root.transcript(NONCE, [ALL], slot), slot=slot)
        assert found.pairs[-1].slot == slot
    first, second = root.certified(0), root.certified(7)
    assert first.leaf.public_key() == second.leaf.public_key()
    assert first.chain[0].subject != second.chain[0].subject


@pytest.mark.parametrize("hashing", HASHINGS)
def test_the_chain_is_root_to_leaf_with_the_roots_hash(hashing: str) -> None:
    root = responder(hashing=hashing)
    certified = root.certified(0)
    found = parse_chain(certified.spdm(HASHINGS[hashing]), hashing)
    assert tuple(found) == certified.chain
    names = [certificate.subject.rfc4514_string().split("CN=")[1] for certificate in found]
    assert [name.split(",")[0] for name in names] == [
        "Simulated Hall Root CA", "Maker Simulated Device Identity CA", "RoT-1 device",
        "RoT-1 alias",
    ]  # fmt: skip


def test_a_digest_is_of_the_image_that_runs() -> None:
    host = machine()
    root = responder(host=host)
    before = blocks(checked(root, root.transcript(NONCE)))
    assert before[3] == hashlib.sha384(Image("GPU", "97.10.3A.00.07").data).digest()
    host.pages[f"{INVENTORY}/GPU_3"]["Version"] = "97.11.00.00.01"
    after = blocks(checked(root, root.transcript(NONCE)))
    assert after[3] == hashlib.sha384(Image("GPU", "97.11.00.00.01").data).digest()
    assert after[0x21] == b"97.11.00.00.01"
    assert {index for index in before if before[index] != after[index]} == {3, 0x11, 0x21, 0xFD}


def test_configurations_are_told_raw_where_the_root_does_so() -> None:
    digested, plain = responder(version="1.2"), responder(version="1.2", raw=True)
    one = checked(digested, digested.transcript(NONCE))
    two = checked(plain, plain.transcript(NONCE))
    assert (one.pairs[0].raw, two.pairs[0].raw) == (False, True)
    for short, long in zip(one.blocks[3:5], two.blocks[3:5], strict=True):
        assert (short.raw, long.raw) == (False, True)
        assert hashlib.sha384(long.value).digest() == short.value


def test_opaque_data_comes_in_the_form_that_was_negotiated() -> None:
    forms = {}
    for version, opaque in product(VERSIONS, ("", "plain", "tlv")):
        root = responder(version=version, opaque=opaque)
        found = checked(root, root.transcript(NONCE))
        data = found.pairs[0].opaque
        forms[version, opaque] = found.negotiated and found.negotiated.opaque_format, data[:8]
    assert forms["1.1", ""] == (None, b"")
    assert forms["1.1", "plain"] == (None, b"RoT-1 me")
    assert forms["1.3", "plain"] == (2, bytes.fromhex("0100000004 04 d97e"))
    assert forms["1.2", "tlv"] == (1, bytes.fromhex("2200 0400 01000000"))


def test_the_same_seed_says_the_same_bytes() -> None:
    one, same = responder(version="1.2"), responder(version="1.2")
    assert [one.transcript(NONCE) for _ in range(2)] == [same.transcript(NONCE) for _ in range(2)]
    assert one.transcript(NONCE) != one.transcript(NONCE)


def test_an_older_version_is_found_for_any_version() -> None:
    assert version_before("97.10.3A.00.07") == "97.10.3A.00.06"
    assert version_before("1.10.00") == "1.09.00"
    assert version_before("none") == "none-before"


def blocks(found: Transcript) -> dict[int, bytes]:
    return {block.index: block.value for block in found.blocks}
