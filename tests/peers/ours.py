"""What we say of the same device: the object that `iolaus inspect -o json` prints.

Read in this process, because a command for each of fifty captures is mostly Python starting; that
the command prints the same object is a test of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

import msgspec

from iolaus.app.alone import Approach, inspect
from iolaus.wire.redfish.port import Credential
from tests.drivers.captures.ask import PASSWORD, Device


def inspected(device: Device) -> dict[str, Any]:
    """The object, through JSON."""
    approach = Approach(
        target=device.target.address,
        fingerprint=device.target.fingerprint,
        credential=Credential(user="root", password=PASSWORD),
    )
    found: dict[str, Any] = json.loads(msgspec.json.encode(asyncio.run(inspect(approach))))
    return found


def printed(device: Device) -> dict[str, Any]:
    """The same by the command line."""
    command = [sys.executable, "-m", "iolaus", "inspect", device.target.address, "--user", "root"]
    done = subprocess.run(
        [*command, "--fingerprint", str(device.target.fingerprint), "-o", "json"],
        capture_output=True,
        env={**os.environ, "IOLAUS_BMC_PASSWORD": PASSWORD},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, (device.name, done.stderr.decode())
    found: dict[str, Any] = json.loads(done.stdout)
    return found
