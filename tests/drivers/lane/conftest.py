"""A simulated device over the real wire, and a lane to it as the product builds one."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from iolaus.drivers.lane import Lane, LaneRules, Lanes, redfish_conversations
from iolaus.kernel.clock import WallClock
from iolaus.model.endpoint import Target
from iolaus.sim.device import DEFAULT_PASSWORD, DEFAULT_USER, Device
from iolaus.wire.redfish.port import Credential

V1 = "/redfish/v1"
RIGHT = Credential(user=DEFAULT_USER, password=DEFAULT_PASSWORD)
WRONG = Credential(user=DEFAULT_USER, password="wrong")


class FileLedger:
    """Durable before it returns, as the port demands; one JSON file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, address: str, session_uri: str) -> None:
        self._save([*self._load(), [address, session_uri]])

    def forget(self, address: str, session_uri: str) -> None:
        self._save([row for row in self._load() if row != [address, session_uri]])

    def ours(self, address: str) -> tuple[str, ...]:
        return tuple(uri for where, uri in self._load() if where == address)

    def _load(self) -> list[list[str]]:
        return json.loads(self._path.read_text()) if self._path.exists() else []

    def _save(self, rows: list[list[str]]) -> None:
        with self._path.open("w") as file:
            file.write(json.dumps(rows))
            file.flush()
            os.fsync(file.fileno())


@contextlib.asynccontextmanager
async def lane_to(
    device: Device,
    credential: Credential | None = RIGHT,
    *,
    ledger: FileLedger | None = None,
    rules: LaneRules | None = None,
    **options: Any,
) -> AsyncIterator[Lane]:
    clock = WallClock()
    connections = options.pop("connections", None)
    lanes = Lanes(redfish_conversations(clock, ledger=ledger), clock, rules=rules, **options)
    target = Target(address=device.address, fingerprint=device.fingerprint)
    try:
        lane = lanes.lane(target, credential)
        lane.bear(connections)
        yield lane
    finally:
        await lanes.close()
