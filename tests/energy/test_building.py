"""The building's section of the file of power, and what its points say; pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iolaus.energy.building import claims_of, events_of
from iolaus.energy.ports import WIDE, Event, Grade, Sense
from iolaus.fleet.document import BadFile
from iolaus.fleet.energy_files import read_energy
from iolaus.wire.dsx.bms import Bms

FILE = """\
apiVersion: iolaus.dev/v1
kind: Building
metadata: {name: h1}
spec:
  broker: mqtts://bms.example:8883
  credential: building
  allow: [isolation, flex]
  flex: {senders: [{name: acme, keysFile: acme.jwks.json}]}
"""


def test_a_section_that_is_right() -> None:
    (found,) = read_energy(FILE, source="power.yaml")
    assert found.kind == "Building"
    assert found.spec.heartbeat == "10s"


@pytest.mark.parametrize(
    ("there", "wrong", "said"),
    [
        ("credential", "credentials", "6:3: spec.credentials: this key is not known. Did you mean"),
        ("flex]", "flx]", "7:22: spec.allow[1]"),
        ("senders: [{name: acme, keysFile: acme.jwks.json}]", "", "flex is allowed to nobody"),
        ("credential: building", "certFile: a.pem", "6:13: spec.certFile"),
        ("credential: building", "heartbeat: 1x", "spec.heartbeat"),
        ("kind: Building", "kind: Bilding", "Did you mean 'Building'?"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(there: str, wrong: str, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_energy(FILE.replace(there, wrong), source="power.yaml")
    assert any(said in line for line in caught.value.lines()), caught.value.lines()


class Talk:
    def __init__(self) -> None:
        self.bms = Bms("IOLAUS")
        self.bms.linked(0.0)
        self.point("System/HeartbeatTimestampBms/bms", 1.0, objectId="BMS")

    def point(self, path: str, value: float | None, *, quality: int = 1, **more: object) -> str:
        kind, point, *_ = path.split("/")
        body = {"objectType": kind, "pointType": point, **more}
        self._take(f"BMS/v1/PUB/Metadata/{path}", body)
        told = {"value": value, "timestamp": 1, "quality": quality}
        self._take(f"BMS/v1/PUB/Value/{path}", told)
        return path

    def _take(self, topic: str, body: object) -> None:
        self.bms.take(topic, json.dumps(body).encode(), mono_s=1.0, at=1.0)

    def said(self, path: str) -> dict[str, Event]:
        found = events_of(
            self.bms, path, now=2.0, racks=lambda _: ("r1", "r2"), name=lambda each: each
        )
        return {each.rack: each.event for each in found}


def test_a_rack_s_leak_is_what_its_detector_says_while_it_is_sound() -> None:
    talk = Talk()
    about: dict[str, Any] = {"rackLocationId": "r1"}
    leak = talk.point("Rack/RackLeakDetect/x", 0, **about)
    assert talk.said(leak)["r1"].grade is Grade.GOOD
    fault = talk.point("Rack/RackLeakSensorFault/x", None, **about)
    assert talk.said(leak)["r1"].grade is Grade.UNKNOWN
    talk.point("Rack/RackLeakDetect/x", 1, **about)
    assert talk.said(fault)["r1"].grade is Grade.CRITICAL
    talk.point("Rack/RackLeakSensorFault/x", 1, **about)
    assert talk.said(leak) == talk.said(fault)
    assert talk.said(leak)["r1"].grade is Grade.UNKNOWN
    assert list(talk.said(leak)) == ["r1"]


def test_what_serves_a_row_concerns_each_of_its_racks_as_what_is_wide() -> None:
    talk, states = Talk(), [{"value": 0, "text": "NoLeak"}, {"value": 1, "text": "Warning"}]
    rope = talk.point("Sensor/LeakDetect/x", 1, objectId="rope1", stateText=states)
    said = talk.said(rope)
    assert list(said) == ["r1", "r2"]
    assert said["r1"].grade is Grade.WARNING
    assert said["r1"].subject.startswith(f"{WIDE}rope1")
    still = [{"value": 0, "text": "Stopped"}, {"value": 1, "text": "Running"}]
    unit = talk.point("CDU/Status/x", 0, objectId="cdu1", stateText=still)
    assert (talk.said(unit)["r2"].sense, talk.said(unit)["r2"].grade) == (
        Sense.FLOW,
        Grade.CRITICAL,
    )


def test_a_battery_that_discharges_with_its_charge() -> None:
    talk = Talk()
    states = [{"value": 0, "text": "Standby"}, {"value": 1, "text": "Discharging"}]
    path = talk.point("BESS/Status/x", 1, associateId="r1", stateText=states)
    assert talk.said(path)["r1"].value is None
    talk.point("BESS/GenericPoint/y", 40, associateId="r1", processArea=["State of Charge"])
    said = talk.said(path)["r1"]
    assert (said.sense, said.grade, said.value) == (Sense.BATTERY, Grade.CRITICAL, 0.4)


def test_meters_say_who_feeds_whom() -> None:
    talk = Talk()
    talk.point("PowerMeter/ActivePower/x", 1, objectId="m1", servesId=["r1-ps1", "r1-ps2", "m2"])
    talk.point("PowerMeter/ActivePower/y", 1, objectId="r1-ps1", servesId=["r1"])
    found = claims_of(
        talk.bms.metadata.values(),
        source="building/h1",
        name=lambda each: each,
        home=lambda each: "r1" if each.startswith("r1-") else None,
    )
    parents = {(each.subject, each.value) for each in found if each.field == "parent"}
    assert parents == {("domain/r1", "m1"), ("domain/m2", "m1")}
