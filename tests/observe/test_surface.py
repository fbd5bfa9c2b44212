"""Looking at a controller from outside: over real TLS, without a login, and never raising."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.north import hall
from tests.sim.engine.tree import device

from iolaus.kernel.clock import JumpClock
from iolaus.model.endpoint import EndpointStatus, Reach, Target
from iolaus.model.surface import Surface
from iolaus.observe.collect import Job, Key
from iolaus.observe.surface import AGAIN_S, EVERY_S, PATHS, Surveyor, look, read_shown
from iolaus.sim.server import running
from iolaus.store.facts import Facts
from iolaus.store.shelf import surface_shelf


async def test_a_controller_shows_its_certificate_and_guards_its_paths() -> None:
    played = device()
    async with running([played]):
        found = await look(Target(address=played.address), 5.0)
    assert (found.error, found.at) == ("", 5.0)
    assert found.certificate is not None
    assert found.certificate.fingerprint == played.fingerprint
    assert found.versions["TLSv1.2"] is True
    assert found.versions["TLSv1"] in (False, None)
    assert set(found.paths) == set(PATHS)
    assert set(found.paths.values()) <= {401, 404}
    assert played.counters.requests == len(PATHS)


async def test_another_certificate_than_the_pinned_one_is_asked_nothing() -> None:
    played = device()
    async with running([played]):
        found = await look(Target(address=played.address, fingerprint="0" * 64), 0.0)
    assert found.certificate is not None
    assert set(found.paths.values()) == {None}
    assert played.counters.requests == 0


async def test_nobody_there_is_an_error_and_no_exception() -> None:
    found = await look(Target(address="https://127.0.0.1:1"), 0.0, timeout_s=1.0)
    assert found.error == "no TLS handshake succeeds"
    plain = await look(Target(address="http://127.0.0.1:1"), 0.0, timeout_s=1.0)
    assert set(plain.paths.values()) == {None}


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bmc1")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(7)
    made = made.public_key(key.public_key()).not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
    made = made.not_valid_after(datetime(2027, 1, 1, tzinfo=UTC))
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


DER = certificate()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, len(DER)), st.integers(0, 8))
def test_any_certificate_is_read_or_nothing(odd: bytes, at: int, cut: int) -> None:
    found = read_shown(DER[:at] + odd + DER[at + cut :])
    assert found is None or len(found.fingerprint) == 64


def test_a_certificate_of_no_known_version_is_none() -> None:
    assert read_shown(DER.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x11")) is None


def test_a_certificate_is_read_as_it_is() -> None:
    shown = read_shown(DER)
    assert shown is not None
    assert (shown.key, shown.hashed, shown.own) == ("ec-256", "sha256", True)
    assert (shown.subject, shown.fingerprint) == ("CN=bmc1", hashlib.sha256(DER).hexdigest())
    assert shown.not_after == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


async def test_each_endpoint_is_looked_at_once_a_day() -> None:
    clock = JumpClock()
    facts, kept = hall.build(2, clock), surface_shelf()
    woken: list[tuple[Key, float]] = []
    looked: list[str] = []

    async def fake(target: Target, now: float) -> Surface:
        looked.append(target.address)
        return Surface(address=target.address, at=now)

    surveyor = Surveyor(
        facts=facts, kept=kept, clock=clock, look=fake, wake=lambda k, s: woken.append((k, s))
    )
    report = next(iter(facts.all_held())).report
    assert report is not None
    for _ in range(2):
        facts.record_report(report)
    assert [key for key, _ in woken] == [Key(report.endpoint, Job.SURVEY)]
    assert 0 < woken[0][1] < 60
    assert await surveyor.reconcile(woken[0][0]) == EVERY_S
    assert looked == [report.endpoint] == list(kept.all())
    await _lost(facts, report.endpoint, clock)
    assert await surveyor.reconcile(woken[0][0]) == AGAIN_S
    facts.remove_target(report.endpoint)
    assert await surveyor.reconcile(woken[0][0]) is None
    assert not kept.all()


async def _lost(facts: Facts, address: str, clock: JumpClock) -> None:
    status = EndpointStatus(
        address=address, reach=Reach.UNREACHABLE, at=clock.now(), since=clock.now()
    )
    facts.record_status(status)
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
