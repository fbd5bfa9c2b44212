"""Every fault of the catalogue, struck and mended one after the other in a hall with all there is:
the hall lives through each, says what is on, and is whole again afterwards."""

from __future__ import annotations

import json
from pathlib import Path

from iolaus.sim.catalogue import catalogue
from tests.sim.time.player import Player, hall

QUIET = """
apiVersion: iolaus.dev/v1
kind: FaultScript
metadata: {name: quiet}
steps:
  - {at: 10h, mend: all}
"""


def test_the_hall_lives_through_every_fault(tmp_path: Path) -> None:
    with hall(tmp_path, seed=7, hash_seed=1, rules="[]", script=QUIET) as player:
        for name in sorted(catalogue()):
            struck = json.loads(player.oracle("POST", "/faults", {"fault": name}))
            assert struck["fault"] == name
            advance(player, 1.0)
            assert json.loads(player.oracle("GET", "/faults"))["on"][0]["id"] == struck["id"]
            mended = json.loads(player.oracle("DELETE", "/faults"))["mended"]
            assert [each["id"] for each in mended] == [struck["id"]]
            advance(player, 1.0)
        advance(player, 60.0)
        found = json.loads(player.oracle("GET", "/devices"))["devices"]
        assert {device["state"] for device in found} == {"up"}
        truth = json.loads(player.oracle("GET", "/truth"))["twin"]
        assert (truth["dark"], truth["leaking"], truth["struck"]) == ([], [], {})


def advance(player: Player, seconds: float) -> None:
    player.oracle("POST", "/beside/clock/advance", {"seconds": seconds})
