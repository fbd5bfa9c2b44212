"""A large hall's processes, killed: neither outlives the other, what is left behind is swept, and
the next start finds its port free."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.sim.time.player import PATIENCE_S, SITE

FEW_FILES = 1030
"""Too few for a hall of seven devices to listen by itself, enough for all else."""


def allow_few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))


class Running:
    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate(timeout=PATIENCE_S)[1]
        self.line: Mapping[str, Any] = json.loads(line)
        self.below = psutil.Process(process.pid).children(recursive=True)

    @property
    def porter(self) -> psutil.Process:
        (found,) = [p for p in self.below if "iolaus.sim.serve.porter" in p.cmdline()]
        return found

    def answers(self) -> bool:
        with urllib.request.urlopen(f"{self.line['first']}/redfish/v1") as answer:
            return bool(answer.status == 200)

    def ended(self) -> tuple[int, str]:
        """Its exit code and what it said, once it and all below it are gone."""
        _, said = self.process.communicate(timeout=PATIENCE_S)
        _, left = psutil.wait_procs(self.below, timeout=PATIENCE_S)
        assert left == []
        return self.process.returncode, said


@contextmanager
def started(site: Path, temporary: Path, port: int = 0) -> Iterator[Running]:
    command = [
        sys.executable, "-m", "iolaus", "sim", "hall", str(site), "--http", "--building",
        "--port", str(port),
    ]  # fmt: skip
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, preexec_fn=allow_few_files,
        env={**os.environ, "TMPDIR": str(temporary)},
    ) as process:  # fmt: skip
        try:
            yield Running(process)
        finally:
            process.kill()


def test_a_killed_hall_and_a_killed_porter(tmp_path: Path) -> None:
    site, temporary = tmp_path / "site.yaml", tmp_path / "tmp"
    site.write_text(SITE % 7)
    temporary.mkdir()
    with started(site, temporary) as hall:
        port = hall.line["port"]
        assert hall.porter.is_running()
        assert hall.answers()
        assert len(hall.below) == 2  # the porter and the broker
        hall.process.kill()
        assert hall.ended() == (-signal.SIGKILL, "")
    left = sorted(folder.name.split("-")[1] for folder in temporary.iterdir())
    assert left == ["broker", "building"]
    for folder in temporary.iterdir():
        os.utime(folder, (0, 0))
    with started(site, temporary, port) as hall:
        assert hall.answers()
        assert len(list(temporary.iterdir())) == 2
        hall.porter.kill()
        code, said = hall.ended()
    assert code == 1
    assert "the process that listens for it has ended Next: Start the hall again" in said
    assert "Traceback" not in said
    with started(site, temporary, port) as hall:
        assert hall.answers()
        hall.process.send_signal(signal.SIGTERM)
        assert hall.ended() == (0, "")
    assert list(temporary.iterdir()) == []


def test_a_folder_in_use_is_not_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from iolaus.sim.building.folders import private_folder

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    held = private_folder("iolaus-test-")
    abandoned, young = tmp_path / "iolaus-test-old", tmp_path / "iolaus-test-young"
    elsewhere = tmp_path / "elsewhere"
    for folder in (abandoned, young, elsewhere):
        folder.mkdir()
    (tmp_path / "iolaus-test-link").symlink_to(elsewhere)
    for folder in (held, abandoned, elsewhere):
        os.utime(folder, (0, 0))
    assert private_folder("iolaus-test-").is_dir()
    assert held.is_dir()
    assert young.is_dir()
    assert elsewhere.is_dir()
    assert not abandoned.exists()
