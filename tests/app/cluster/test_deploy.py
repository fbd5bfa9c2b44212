"""The files to begin a cluster with are what systemd and compose take them for."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[3] / "deploy"
PROGRAM = "/opt/iolaus/bin/iolaus"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    """With a program that is there in the place of ours; what it says of the machine's own units
    is not ours."""
    paths = []
    for unit in sorted((DEPLOY / "systemd").iterdir()):
        path = tmp_path / unit.name.replace("@.", "@berlin.")
        text = unit.read_text()
        assert PROGRAM in text
        path.write_text(text.replace(PROGRAM, shutil.which("true") or "/bin/true"))
        paths.append(str(path))
    told = subprocess.run(
        ["systemd-analyze", "verify", *paths], capture_output=True, text=True, timeout=120
    )
    assert [line for line in told.stderr.splitlines() if "iolaus" in line.lower()] == []


def test_what_compose_names_is_there() -> None:
    """Each network, volume and secret of a service, and each file beside it."""
    document = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for name, service in document["services"].items():
        assert set(service["networks"]) <= document["networks"].keys(), name
        secrets = {each["source"] for each in service.get("secrets", ())}
        assert secrets <= document["secrets"].keys(), name
        for volume in service.get("volumes", ()):
            source = volume.partition(":")[0]
            known = source in document["volumes"] or (DEPLOY / source).exists()
            assert known, f"{name}: {source}"
