"""The verifier of quotes and logs itself, on what a TPM and firmware of other people said."""

from __future__ import annotations

import hashlib
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from iolaus.sim.roots import tpm
from tests.sim.roots.spdm_verifier import Rejected
from tests.sim.roots.tpm_verifier import (
    check_events,
    check_signature,
    parse_attest,
    parse_log,
    replay,
    secure_boot,
)

pytestmark = pytest.mark.shared
KEYS = pytest.mark.parametrize("key", ["ecc-sha256-ecdsa", "rsa-sha256-rsassa"])


@KEYS
def test_a_real_quote_is_accepted_and_a_changed_one_is_not(shared: Path, key: str) -> None:
    folder = shared / "trust" / "tpm"
    (attest_file,) = folder.glob(f"q_{key}_*.attest")
    attest = attest_file.read_bytes()
    signature = attest_file.with_suffix(".sig").read_bytes()
    public = load_pem_public_key((folder / f"ak_{key}.pem").read_bytes())
    assert check_signature(attest, signature, public) == "sha256"
    quote = parse_attest(attest)
    assert quote.nonce.hex() == attest_file.with_suffix(".nonce").read_text().strip()
    assert quote.selection == (("sha256", tuple(range(8))),)
    values = attest_file.with_suffix(".pcrs").read_bytes()
    assert quote.digest == hashlib.sha256(values).digest()
    with pytest.raises(Rejected, match="signature"):
        check_signature(attest[:-1] + b"\0", signature, public)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_real_log_gives_the_registers_that_were_read(shared: Path, algorithm: str) -> None:
    folder = shared / "trust" / "tpm"
    events = parse_log((folder / "eventlog.bin").read_bytes())
    held = replay(events, algorithm)
    text = (folder / "pcrs.txt").read_text().split(f"{algorithm}:")[1].split("sha")[0]
    wanted = {int(n): bytes.fromhex(v) for n, v in re.findall(r"(\d+) *: 0x([0-9A-F]+)", text)}
    assert len(wanted) > 8
    assert {number: held[number] for number in wanted} == wanted
    check_events(events)
    assert not secure_boot(events)  # that machine did not enforce it


@pytest.mark.parametrize(
    ("name", "count"),
    [("event", 2), ("event-arch-linux", 25), ("event-postcode", 59), ("event-uefivar", 2)],
)
def test_logs_of_other_machines_are_read_to_their_end(shared: Path, name: str, count: int) -> None:
    events = parse_log((shared / "trust" / "eventlogs" / f"{name}.bin").read_bytes())
    assert len(events) == count
    check_events(events)


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_every_bank_of_a_real_log_is_replayed(shared: Path, algorithm: str) -> None:
    folder = shared / "trust" / "eventlogs"
    events = parse_log((folder / "event.bin").read_bytes())
    text = (folder / "event.bin.yaml").read_text().split("pcrs:")[1]
    (wanted,) = re.findall(rf"{algorithm}:\s+0 *: 0x([0-9a-f]+)", text)
    assert replay(events, algorithm)[0].hex() == wanted


def test_the_simulated_names_are_those_that_a_tpm_gives(shared: Path) -> None:
    """What the simulator makes of a public key, against names that a TPM made of the same."""
    folder = shared / "trust" / "tpm"
    parent = tpm.qualified(
        struct.pack(">I", 0x4000000B),
        tpm.name_of((folder / "ek_rsa.tpm2b_public").read_bytes()[2:]),
    )
    for file in folder.glob("ak_*.pem"):
        public = load_pem_public_key(file.read_bytes())
        assert isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)
        area = tpm.public(public, attributes=tpm.AK_ATTRIBUTES, signs=True)
        name = tpm.name_of(area)
        assert name == file.with_suffix(".name").read_bytes()
        (attest,) = folder.glob(f"q_{file.stem[3:]}_*.attest")
        assert parse_attest(attest.read_bytes()).signer == tpm.qualified(parent, name)
