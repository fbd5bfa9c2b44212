"""Certificates that changed or expired, as the operator meets them on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.badinput.command import Shell
from tests.badinput.hostile import Hostile, refuse, root_then
from tests.wire.redfish.conftest import Identities, certs

__all__ = ["certs"]
GONE = root_then(refuse("404 Not Found"))


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def test_an_unknown_certificate_is_shown_and_nothing_is_sent(
    shell: Shell, certs: Identities
) -> None:
    with Hostile(GONE, tls=certs.good.context) as server:
        said = shell("inspect", server.url, "--user", "root").failed(5, certs.good.fingerprint)
        assert "--trust first" in said.next_step
        assert server.asked == []


def test_a_changed_certificate_is_not_believed(shell: Shell, certs: Identities) -> None:
    with Hostile(GONE, tls=certs.good.context) as server:
        pin = certs.expired.fingerprint
        said = shell("inspect", server.url, "--user", "root", "--fingerprint", pin)
        said.failed(5, pin, certs.good.fingerprint)
        assert server.asked == []


def test_an_expired_certificate_needs_its_pin(shell: Shell, certs: Identities) -> None:
    with Hostile(GONE, tls=certs.expired.context) as server:
        shell("inspect", server.url, "--user", "root").failed(5, "certificate is not trusted")
        assert server.asked == []
        pin = certs.expired.fingerprint
        shell("inspect", server.url, "--user", "root", "--fingerprint", pin)
        assert server.asked


def test_a_pin_that_is_none_is_refused(shell: Shell) -> None:
    said = shell("inspect", "https://127.0.0.1:9", "--user", "root", "--fingerprint", "abc")
    said.failed(2, "fingerprint")
