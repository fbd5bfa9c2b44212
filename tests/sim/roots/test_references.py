"""Reference values: they fit what honest devices measure, and are read by a CBOR library."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from iolaus.sim.personas import personas
from iolaus.sim.roots.redfish import RootsOfTrust
from iolaus.sim.roots.references import (
    ReferenceValue,
    as_corim,
    as_json,
    reference_values,
    signed,
    write_references,
)
from iolaus.sim.roots.responder import Responder
from tests.sim.hall.reading import device_of, seat_of
from tests.sim.roots.spdm_verifier import check_chain
from tests.sim.roots.world import SEED, trusted

ROOTED = [persona for persona in personas().values() if persona.roots]


@pytest.mark.parametrize("persona", ROOTED, ids=lambda persona: persona.name)
def test_an_honest_device_measures_only_known_values(persona: object) -> None:
    assert persona in ROOTED
    (kind,) = [each for each in ROOTED if each is persona]
    device = device_of(seat_of(kind))
    known = {d for value in reference_values([kind]) for d in value.digests.values()}
    assert isinstance(device.trust, RootsOfTrust)
    for path in kind.roots:
        root = device.trust.at(device, f"/redfish/v1/{path}")
        if isinstance(root, Responder):
            digests = [block for block in root.blocks() if block.type < 4]
            values = [
                root.suite.hashing.of(block.value) if block.raw else block.value
                for block in digests
            ]
            assert {value.hex() for value in values} <= known
            assert len(values) == len(root.root.firmware) + 3


def test_versions_old_and_new_are_listed_once() -> None:
    (tray,) = [persona for persona in ROOTED if persona.name == "gb300-tray"]
    values = reference_values([tray], versions={"NVIDIA:HGX_FW_GPU": ["98.0.1"]})
    gpu = [value for value in values if value.component == "NVIDIA:HGX_FW_GPU"]
    assert [(value.version, value.svn) for value in gpu] == [
        ("97.10.3A.00.06", 9710), ("97.10.3A.00.07", 9710), ("98.0.1", 9800),
    ]  # fmt: skip
    assert all(value.index == {"MCHP-ECRoT-1736": 3} for value in gpu)
    assert len({(value.component, value.version) for value in values}) == len(values)


def test_json_and_corim_say_the_same() -> None:
    values = reference_values(ROOTED)
    said = json.loads(as_json(values))["items"]
    assert [ReferenceValue(**item) for item in said] == values
    corim = cbor2.loads(as_corim(values))
    assert corim.tag == 501
    (tag,) = corim.value[1]
    assert tag.tag == 506
    triples = cbor2.loads(tag.value)[4][0]
    assert len(triples) == len(values)
    for value, (environment, (measured,)) in zip(values, triples, strict=True):
        assert environment[0] == {1: value.maker, 2: value.component}
        found = {name: digest.hex() for name, digest in measured[1][2]}
        assert found == {1: value.digests["sha256"], 7: value.digests["sha384"],
                         8: value.digests["sha512"]}  # fmt: skip


def test_the_signed_form_verifies_up_to_the_halls_root() -> None:
    payload = as_corim(reference_values(ROOTED[:1]))
    sealed = cbor2.loads(signed(payload, seed=SEED))
    assert sealed.tag == 18
    protected, unprotected, content, signature = sealed.value
    assert content == payload
    chain = [x509.load_der_x509_certificate(der) for der in unprotected[33]]
    check_chain(chain[::-1], trusted())
    key = chain[0].public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert cbor2.loads(protected)[1] == -35
    numbers = (int.from_bytes(part, "big") for part in (signature[:48], signature[48:]))
    message = cbor2.dumps(["Signature1", protected, b"", content])
    key.verify(encode_dss_signature(*numbers), message, ec.ECDSA(hashes.SHA384()))


def test_the_files_are_the_same_for_the_same_seed(tmp_path: Path) -> None:
    values = reference_values(ROOTED[:1])
    digests = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        files = write_references(tmp_path / name, values, seed=SEED)
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    assert len(set(digests[0])) == 3
