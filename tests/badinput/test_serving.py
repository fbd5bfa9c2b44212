"""The server's own side: a certificate that it shows, and tokens that do not travel in the open."""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest

from iolaus.kernel.ports import free_port
from tests.badinput.command import Shell
from tests.peers.certificate import Identity, identity

pytestmark = pytest.mark.slow


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.fixture
def ours(tmp_path: Path) -> Identity:
    return identity(tmp_path, name="iolaus")


def test_a_server_with_tls_is_verified(shell: Shell, ours: Identity, tmp_path: Path) -> None:
    port, state = free_port(), tmp_path / "s"
    files = ("--tls-cert", ours.certificate, "--tls-key", ours.key)
    words = ("serve", "--state", state, "--listen", f"127.0.0.1:{port}", *files)

    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    with shell.started(*words) as running:
        running.until(listens)
        env = {"IOLAUS_URL": f"https://127.0.0.1:{port}"}
        env["IOLAUS_TOKEN"] = (state / "operator.token").read_text().strip()
        shell("summary", env=env).failed(5, "IOLAUS_CA_FILE")
        trusted = env | {"IOLAUS_CA_FILE": str(ours.certificate)}
        assert shell("summary", "-o", "json", env=trusted).code == 0
        doctor = shell("doctor", "--state", state, env=trusted)
        assert "endpoints    0 of 0 reachable" in doctor.out
        shell("summary", env=env | {"IOLAUS_CA_FILE": str(tmp_path)}).failed(2, str(tmp_path))
        said = running.ended(signal.SIGTERM, wait_s=60)
    assert said.code == 0
    assert f"https://127.0.0.1:{port}" in said.err
    assert env["IOLAUS_TOKEN"] not in said.err


def test_tokens_do_not_cross_the_network_in_the_open(shell: Shell, tmp_path: Path) -> None:
    said = shell("serve", "--state", tmp_path / "s", "--listen", "0.0.0.0:8443")
    assert "--tls-cert" in said.failed(2, "0.0.0.0:8443", "unencrypted").next_step
    assert not (tmp_path / "s").exists()


def test_a_certificate_that_cannot_be_shown(shell: Shell, ours: Identity, tmp_path: Path) -> None:
    other = identity(tmp_path, name="other")
    for files in (
        ("--tls-cert", ours.certificate),
        ("--tls-cert", ours.certificate, "--tls-key", other.key),
        ("--tls-cert", ours.certificate, "--tls-key", tmp_path / "none"),
        ("--tls-cert", ours.key, "--tls-key", ours.key),
    ):
        shell("serve", "--state", tmp_path / "s", *files).failed(2, "certificate", "PEM")
    assert not (tmp_path / "s").exists()
