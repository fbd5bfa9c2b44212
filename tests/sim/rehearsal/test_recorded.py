"""Recorded machines live: they are switched, logged into, and their sensors move; nothing that
was one machine's own is left in the twin."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import load_site, parse_site
from iolaus.sim.rehearsal.folder import cleaned, from_captures, made_up, plain_name
from iolaus.sim.rehearsal.recorded import digits_of, pattern_of, recorded
from tests.sim.catalogue.stage import Stage, staged, until

V1 = "/redfish/v1"
MACHINES = {"tray": "gb300-tray", "cpu": "dl365-cpu", "twin": "sd665-twin", "shelf": "orv3-shelf",
            "pdu": "rack-pdu", "cdu": "cdu-row", "rope": "leak-ropes"}  # fmt: skip
KINDS = {"tray": "node", "cpu": "node", "twin": "node", "shelf": "powershelf", "pdu": "pdu",
         "cdu": "cdu", "rope": "leak"}  # fmt: skip
SITE = """
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: one}
spec:
  devices: [{name: %s, persona: %s}]
"""


def machine(name: str) -> Device:
    site = parse_site(SITE % (name, MACHINES[name]), source="-")
    (device,) = hall_devices(site, HallOptions())
    return device


def captured(folder: Path, name: str) -> Path:
    """What a recorder would write of one of our own machines."""
    device = machine(name)
    for path in device.paths():
        file = folder / name / path.strip("/") / "index.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        body = device.get(path) or {}
        body |= {"Password": "hunter2"} if path.endswith("/Accounts/1") else {}
        file.write_text(json.dumps(body))
    return folder / name


def twin_of(folder: Path, *names: str, **more: Any) -> Path:
    site, count = from_captures([captured(folder, n) for n in names], folder / "twin", **more)
    assert count == len(names) * more.get("copies", 1)
    return site


def serials(device: Device) -> set[str]:
    found = (device.get(path) or {} for path in device.paths())
    return {str(b["SerialNumber"]) for b in found if str(b.get("SerialNumber") or "").strip()}


@pytest.mark.parametrize("name", MACHINES)
def test_a_recorded_machine_has_what_was_recorded(name: str, tmp_path: Path) -> None:
    site = load_site(twin_of(tmp_path, name))
    (device,) = hall_devices(site, HallOptions())
    first = machine(name)
    assert device.labels["role"] == KINDS[name]
    assert set(device.paths()) == set(first.paths())
    assert "hunter2" not in (tmp_path / "twin" / "site.yaml").read_text()
    shape = site.personas[name]
    assert KINDS[name] == shape.kind
    for path in first.paths():
        ours, theirs = device.get(path) or {}, first.get(path) or {}
        assert ours.keys() >= theirs.keys() - {"Password"}, path
        if isinstance(theirs.get("Reading"), float) and "Sensors" in path:
            assert isinstance(ours["Reading"], int | float), path


def test_nobodys_own_words_are_left(tmp_path: Path) -> None:
    site = twin_of(tmp_path, "cpu", copies=3)
    devices = hall_devices(load_site(site), HallOptions())
    first = serials(machine("cpu"))
    own = [serials(device) for device in devices]
    assert all(found and not found & first for found in own)
    assert not own[0] & own[1] | own[1] & own[2]
    with tarfile.open(tmp_path / "twin" / "captures" / "cpu.tar.xz") as tar:
        text = b"".join(f.read() for m in tar if (f := tar.extractfile(m)))
    assert not any(serial.encode() in text for serial in first if len(serial) > 5)
    assert b"hunter2" not in text


def test_serials_are_kept_on_demand(tmp_path: Path) -> None:
    site = twin_of(tmp_path, "cpu", keep=True)
    (device,) = hall_devices(load_site(site), HallOptions())
    assert serials(device) == serials(machine("cpu"))
    assert not any("hunter2" in str(device.get(path)) for path in device.paths())


def test_sensors_move_round_what_was_recorded(tmp_path: Path) -> None:
    (seat,) = build_hall(load_site(twin_of(tmp_path, "tray")))
    device = seat.device()
    t = device.clock.now()
    for n, near in enumerate(seat.persona.near):
        seen = [float(str(seat.life.value(f"near.{n}", t + 60.0 * k))) for k in range(20)]
        around = 0.051 if not near.quantity.startswith("Energy") else 9.0
        assert all(abs(value - near.value) <= around * abs(near.value) for value in seen)
        if near.quantity == "Power" and near.value:
            assert len(set(seen)) > 1
    seat.life.on = [False] * len(seat.life.on)
    watts = [n for n, near in enumerate(seat.persona.near) if near.quantity == "Power"]
    assert all(
        float(str(seat.life.value(f"near.{n}", t))) <= 0.05 * seat.persona.near[n].value
        for n in watts
    )


async def test_a_twin_is_logged_into_and_switched(tmp_path: Path) -> None:
    site = twin_of(tmp_path, "cpu")
    text = site.read_text().replace("127.64.0.0", "127.67.0.0")
    text = text.replace("captures/cpu", str(tmp_path / "twin" / "captures" / "cpu"))
    async with staged(text) as on:
        on.name = "cpu"
        reset = f"{V1}/Systems/1/Actions/ComputerSystem.Reset"
        login = {"UserName": "root", "Password": "iolaus-sim"}
        async with on.ask("POST", f"{V1}/SessionService/Sessions", json=login) as answer:
            assert answer.status == 201
        assert (await on.get(f"{V1}/Systems/1"))["PowerState"] == "On"
        assert await on.status("POST", reset, json={"ResetType": "ForceOff"}) in (200, 204)
        await until(lambda: is_off(on), "it is off")
        assert (await on.tell("GET", "/truth"))["off"] == ["cpu"]


async def is_off(on: Stage) -> bool:
    return bool((await on.get(f"{V1}/Systems/1"))["PowerState"] == "Off")


def test_a_machine_that_was_off_is_off() -> None:
    root = {f"{V1}/Systems": {"Members": [{"@odata.id": f"{V1}/Systems/1"}]}}
    persona = recorded({**root, f"{V1}/Systems/1": {"PowerState": "Off"}}, name="x")
    assert persona.off == {0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("captures: {x: {path: nowhere}}", "nowhere"),
        ("captures: {x: {path: ., kynd: node}}", "kind"),
        ("captures: {x: {path: ., kind: nod}}", "node"),
        ("devices: [{name: n, persona: dl365}]", "dl365-cpu"),
        ("devices: [{persona: dl365-cpu}]", "name"),
    ],
)
def test_what_is_wrong_in_a_site_is_told(text: str, says: str) -> None:
    head = "apiVersion: iolaus.dev/v1\nkind: Site\nmetadata: {name: a}\nspec:\n"
    tail = "" if text.startswith("devices") else "  devices: []\n"
    with pytest.raises(OperatorMust) as told:
        parse_site(f"{head}  {text}\n{tail}", source="s.yaml")
    assert says in str(told.value)


def test_nothing_to_make_a_twin_of(tmp_path: Path) -> None:
    for paths in ([], [tmp_path / "none"], [tmp_path]):
        with pytest.raises(OperatorMust) as told:
            from_captures(paths, tmp_path / "out")
        assert told.value.next_step


def test_words() -> None:
    assert pattern_of("AB-12c|3") == "@@-##@-#"
    assert made_up("AB-12") == made_up("AB-12") != "AB-12"
    assert len(made_up("x" * 500)) == 500
    assert [digits_of(value) for value in (5.0, 5.25, 1 / 3)] == [0, 2, 3]
    assert plain_name("My Site!", set()) == "my-site"
    assert plain_name("a", {"a", "a-2"}) == "a-3"
    secrets = {"/x": {"Key": "k", "KeyPolicy": "p", "PasswordExpiration": "never", "Name": "n"}}
    assert cleaned(secrets, keep=True) == {
        "/x": {"Key": "(removed)", "KeyPolicy": "p", "PasswordExpiration": "never", "Name": "n"}
    }
