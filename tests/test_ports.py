"""Ports for servers of our own."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from iolaus.kernel import ports
from iolaus.kernel.ports import LOWEST, free_port


def test_it_is_free_and_no_clients(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ports, "LENT", tmp_path / "range")
    (tmp_path / "range").write_text(f"{LOWEST + 200}\t60999\n")
    taken = {free_port() for _ in range(20)}
    assert len(taken) > 1
    assert all(LOWEST <= port < LOWEST + 200 for port in taken)


@pytest.mark.parametrize("lent", ["1024 65535", "12", "", "x y"])
def test_where_the_system_lends_them_all_or_says_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lent: str
) -> None:
    monkeypatch.setattr(ports, "LENT", tmp_path / "range")
    (tmp_path / "range").write_text(lent)
    assert 1024 < free_port() < 65536


def test_somebody_elses_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as other:
        found = iter([other.getsockname()[1] - LOWEST])
        monkeypatch.setattr(
            "iolaus.kernel.ports.secrets.randbelow", lambda top: next(found, top // 2)
        )
        assert free_port() != other.getsockname()[1]
