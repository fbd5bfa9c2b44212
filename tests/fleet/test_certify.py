"""Requests of devices and what authorities give back: nothing is believed that is not checked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.fleet.certify import check_issued, check_request, issue, make_authority
from iolaus.fleet.signing import Signer
from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceLied, IolausError, OperatorMust
from iolaus.model.authority import Authority, Words
from iolaus.store.authorities import Authorities, read_authority
from iolaus.store.secrets import Secrets

HOST = "10.0.0.5"
NOW = 1_795_000_000.0
KEY = ec.generate_private_key(ec.SECP256R1())


def request(
    name: str = HOST, key: Any = KEY, names: tuple[str, ...] = (), mend: Callable[..., Any] = bytes
) -> str:
    builder = x509.CertificateSigningRequestBuilder().subject_name(
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    )
    if names:
        hosts = x509.SubjectAlternativeName([x509.DNSName(each) for each in names])
        builder = builder.add_extension(hosts, critical=False)
    return str(mend(builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)), "ascii")


def forged(pem: bytes) -> bytes:
    """The same with another key in it: the signature is not by that one."""
    csr = x509.load_pem_x509_csr(pem)
    other = ec.generate_private_key(ec.SECP256R1()).public_key()
    plain = (KEY.public_key().public_bytes, other.public_bytes)
    old, new = (each(Encoding.X962, PublicFormat.UncompressedPoint) for each in plain)
    der = csr.public_bytes(Encoding.DER).replace(old, new)
    return x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)


def spoilt(cut: tuple[int, str]) -> str:
    """A good request with one character that is another."""
    at, word = cut
    return GOOD[:at] + word + GOOD[at + 1 :]


def authority(name: str = "hall-ca", *, days: int = 397) -> tuple[Authority, str]:
    made = make_authority(name, words=Words(), days=3650, now=NOW)
    return read_authority(name, made.certificate, kind="local", days=days), made.key


def issued(ours: tuple[Authority, str], names: tuple[str, ...] = (HOST,), now: float = NOW) -> str:
    csr = x509.load_pem_x509_csr(request().encode())
    return issue(csr, *ours, names, now=now)


GOOD = request()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"name": "10.0.0.6"}, "is for 10.0.0.6, not for 10.0.0.5"),
        ({"names": ("10-0-0-5.lan", "bank.example")}, "is for 10-0-0-5.lan, bank.example as"),
        ({"key": lambda: rsa.generate_private_key(65537, 1024)}, "RSA of 1024 bits"),
        ({"key": lambda: dsa.generate_private_key(1024)}, "of a kind that nobody trusts"),
        ({"key": lambda: ec.generate_private_key(ec.SECP192R1())}, "on the curve secp192r1"),
        ({"mend": forged}, "not signed with the key in it"),
    ],
)
def test_a_request_that_is_not_for_this_device_is_not_signed(
    asked: dict[str, Any], told: str
) -> None:
    made = {**asked, "key": asked["key"]()} if "key" in asked else asked
    with pytest.raises(DeviceLied, match=told):
        check_request(request(**made), [HOST], device="https://10.0.0.5")


@pytest.mark.parametrize("pem", ["", "x" * 70_000])
def test_what_is_no_request_is_not_signed(pem: str) -> None:
    with pytest.raises(DeviceLied, match="cannot be read"):
        check_request(pem, [HOST], device="https://10.0.0.5")


def test_only_the_key_of_a_request_is_taken() -> None:
    ours = authority()
    leaf = x509.load_pem_x509_certificate(issued(ours).encode())
    assert leaf.public_key() == KEY.public_key()
    hosts = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(each.value) for each in hosts] == [HOST]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    life = leaf.not_valid_after_utc - datetime.fromtimestamp(NOW, UTC)
    assert timedelta(days=396) < life <= timedelta(days=397)
    leaf.verify_directly_issued_by(x509.load_pem_x509_certificate(ours[0].certificate.encode()))


def test_nothing_outlives_the_authority() -> None:
    ours = authority(days=9999)
    leaf = x509.load_pem_x509_certificate(issued(ours).encode())
    assert leaf.not_valid_after_utc.timestamp() == ours[0].not_after


def test_what_comes_back_must_be_ours_for_that_key_and_that_host() -> None:
    ours, other = authority(), authority()
    check = check_issued
    assert check(issued(ours), KEY.public_key(), ours[0], [HOST], now=NOW).fingerprint
    elsewhere = ec.generate_private_key(ec.SECP256R1()).public_key()
    for pem, key, now, told in (
        (issued(other), KEY.public_key(), NOW, "not signed by its own key"),
        (issued(ours), elsewhere, NOW, "for another key"),
        (issued(ours, ("10.0.0.9",)), KEY.public_key(), NOW, "not for 10.0.0.5"),
        (issued(ours), KEY.public_key(), NOW + 9e8, "not valid now"),
        ("nothing", KEY.public_key(), NOW, "no certificate can be read"),
    ):
        with pytest.raises(OperatorMust, match=told):
            check(pem, key, ours[0], [HOST], now=now)


@settings(max_examples=60)
@given(
    st.one_of(st.text(max_size=300), st.tuples(st.integers(0, 420), st.characters()).map(spoilt))
)
def test_any_request_is_taken_or_the_device_lied(text: str) -> None:
    try:
        found = check_request(text, [HOST], device="https://10.0.0.5")
    except DeviceLied:
        return
    assert found.is_signature_valid


@settings(max_examples=40)
@given(st.text(max_size=300))
def test_any_answer_of_an_authority_is_taken_or_refused(text: str) -> None:
    with pytest.raises(OperatorMust):
        check_issued(text, KEY.public_key(), authority_of_test(), [HOST], now=NOW)


def authority_of_test(known: list[Authority] = []) -> Authority:  # noqa: B006 - made once
    known[:] = known or [authority()[0]]
    return known[0]


# --- who signs --------------------------------------------------------------------------------

SCRIPT = """#!%s
import os, sys
assert os.environ["IOLAUS_NAMES"] == "10.0.0.5" and "REQUEST" in sys.stdin.read()
%s
"""


def command(folder: Path, does: str, certificate: str, timeout: float = 20.0) -> Authorities:
    (folder / "sign").write_text(SCRIPT % (sys.executable, does))
    (folder / "sign").chmod(0o700)
    (folder / "ca.pem").write_text(certificate)
    (folder / "authorities.yaml").write_text(
        f"authorities:\n  site: {{command: [{folder}/sign], certificate: {folder}/ca.pem,"
        f" timeout: {timeout}}}\n"
    )
    return Authorities(folder, secrets=Secrets(folder / "secrets"))


def clock() -> JumpClock:
    return JumpClock()


async def test_a_command_signs_and_is_checked_as_anybody(tmp_path: Path) -> None:
    now = clock().now()
    made = make_authority("site", words=Words(), days=3650, now=now)
    site = read_authority("site", made.certificate, kind="local", days=90)
    csr = x509.load_pem_x509_csr(request().encode())
    (tmp_path / "leaf.pem").write_text(issue(csr, site, made.key, [HOST], now=now))
    kept = command(tmp_path, f"print(open('{tmp_path}/leaf.pem').read())", made.certificate)
    assert kept.all()["site"].kind == "command"
    signer = Signer(kept, clock=clock())
    checked = await signer.sign(request(), "site", [HOST], device="d")
    assert len(checked.fingerprint) == 64
    with pytest.raises(OperatorMust, match="no authority is called 'none'"):
        await signer.sign(request(), "none", [HOST], device="d")


@pytest.mark.parametrize(
    ("does", "told"),
    [
        ("sys.exit('not today')", "ended with 1: not today"),
        ("print('nothing')", "no certificate can be read"),
        ("import time; time.sleep(60)", "did not end within"),
    ],
)
async def test_a_command_that_does_not_sign_says_why(tmp_path: Path, does: str, told: str) -> None:
    made = make_authority("site", words=Words(), days=3650, now=clock().now())
    kept = command(tmp_path, does, made.certificate, timeout=0.5 if "sleep" in does else 20.0)
    with pytest.raises(IolausError, match=told):
        await Signer(kept, clock=clock()).sign(request(), "site", [HOST], device="d")


def test_a_file_that_does_not_read_hides_only_its_own(tmp_path: Path) -> None:
    kept = Authorities(tmp_path, secrets=Secrets(tmp_path / "secrets"))
    made = make_authority("hall-ca", words=Words(), days=3650, now=NOW)
    kept.put("hall-ca", certificate=made.certificate, key=made.key, days=397)
    (tmp_path / "authorities.yaml").write_text("authorities: {site: {comand: [x]}}")
    assert list(kept.known()) == ["hall-ca"]
    with pytest.raises(OperatorMust, match="comand"):
        kept.all()
    again = Authorities(tmp_path, secrets=Secrets(tmp_path / "secrets"))
    assert again.key_of("hall-ca") == made.key
    assert "PRIVATE" not in repr(again) + repr(made)
