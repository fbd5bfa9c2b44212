"""The dock: one device of each persona, served by a process of its own over HTTPS."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

PASSWORD = "iolaus-sim"
NETWORK = "127.71.0.0/24"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dock:
    """`devices` is persona -> address; `authority` the certificate that vouches for them all."""

    devices: Mapping[str, str]
    authority: Path


@contextmanager
def served(personas: Sequence[str], folder: Path) -> Iterator[Dock]:
    """A hall with one device of each of these personas, until the block ends."""
    (folder / "site.yaml").write_text(yaml.safe_dump(_site(personas)))
    words = ["sim", "hall", "site.yaml", "--port", "0", "--tls-dir", "tls", "--no-physics",
             "--with-parent", "--hosts-out", "hosts.yaml"]  # fmt: skip
    command = [str(Path(sys.executable).with_name("iolaus")), *words]
    env = os.environ | {"IOLAUS_SIM_PASSWORD": PASSWORD}
    with (folder / "hall.log").open("w") as log, subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=log, cwd=folder, env=env
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            if not process.stdout.readline():
                raise RuntimeError((folder / "hall.log").read_text())
            yield Dock(devices=_devices(personas, folder), authority=folder / "tls/authority.pem")
        finally:
            process.terminate()


def _site(personas: Sequence[str]) -> Mapping[str, object]:
    racks = {f"k{n}": {"place": [{"persona": p, "u": 2}]} for n, p in enumerate(personas)}
    row = {"name": "a", "racks": [{"template": rack, "count": 1} for rack in racks]}
    return {
        "apiVersion": "iolaus.dev/v1",
        "kind": "Site",
        "metadata": {"name": "dock"},
        "spec": {
            "network": {"cidr": NETWORK},
            "racks": racks,
            "halls": [{"name": "h1", "rows": [row]}],
        },
    }


def _devices(personas: Sequence[str], folder: Path) -> Mapping[str, str]:
    """Racks stand in the order of the personas, one device in each."""
    hosts = yaml.safe_load((folder / "hosts.yaml").read_text())["hosts"]
    by_column = {int(host["labels"]["column"]): host["address"] for host in hosts}
    assert len(by_column) == len(personas), json.dumps(hosts)
    return {persona: by_column[n] for n, persona in enumerate(personas, start=1)}
