"""What those who install are told; and what a retirement came to."""

from __future__ import annotations

import base64

import msgspec
import pytest

from iolaus.kernel.errors import OperatorMust
from iolaus.model.retirement import Retirement
from iolaus.recovery.handover import (
    Handed,
    check_address,
    ironic_change,
    ironic_node,
    ironic_ports,
    metal3_objects,
)
from iolaus.recovery.retire import wiped_of

NODE = Handed(
    name="H1-R01_u04",
    uid="1f6f9d3e-0d5c-4b8f-9d0a-2f7a3f5f2c11",
    address="https://10.0.0.5",
    system="/redfish/v1/Systems/1",
    user="root",
    password="Sesam-1",
    serial="A1",
    macs=("3c:ec:ef:00:11:22",),
    labels={"role": "train/big"},
)
ALL = dict.fromkeys(("drives", "bios", "logs", "controller"), True)


def test_metal3_gets_a_host_and_the_secret_that_it_names() -> None:
    secret, host = metal3_objects(NODE, namespace="metal3")
    assert secret["metadata"] == {"name": "h1-r01-u04-bmc", "namespace": "metal3"}
    assert base64.b64decode(secret["data"]["password"]) == b"Sesam-1"
    spec = host["spec"]
    assert spec["bmc"]["credentialsName"] == "h1-r01-u04-bmc"
    assert spec["bmc"]["address"] == ("redfish-virtualmedia+https://10.0.0.5/redfish/v1/Systems/1")
    assert spec["bmc"]["disableCertificateVerification"] is True
    assert spec["bootMACAddress"] == "3c:ec:ef:00:11:22"
    assert host["metadata"]["labels"]["iolaus.dev/role"] == "train-big"
    assert "Sesam" not in str(host) + repr(NODE)
    checked = metal3_objects(msgspec.structs.replace(NODE, checked=True), namespace="")[1]
    assert "disableCertificateVerification" not in checked["spec"]["bmc"]


@pytest.mark.parametrize(
    ("make", "way"),
    [("Dell Inc.", "idrac"), ("dell", "idrac"), ("HPE", "redfish"), ("", "redfish")],
)
def test_metal3_is_told_the_way_that_it_has_for_a_maker(make: str, way: str) -> None:
    host = metal3_objects(msgspec.structs.replace(NODE, make=make), namespace="")[1]
    address = host["spec"]["bmc"]["address"]
    assert address == f"{way}-virtualmedia+https://10.0.0.5/redfish/v1/Systems/1"


def test_ironic_gets_a_node_under_our_uid() -> None:
    body = ironic_node(NODE)
    assert (body["uuid"], body["driver"]) == (NODE.uid, "redfish")
    assert body["driver_info"]["redfish_verify_ca"] is False
    assert ironic_ports(NODE) == [{"node_uuid": NODE.uid, "address": NODE.macs[0]}]
    changed = {each["path"]: each["value"] for each in ironic_change(NODE)}
    assert changed["/driver_info/redfish_password"] == "Sesam-1"


def test_plain_http_is_handed_to_nobody() -> None:
    with pytest.raises(OperatorMust):
        check_address("http://10.0.0.5")


LEFT = {"accounts": ["root"], "keys": 0, "subscriptions": [], "servers": []}


def outcomes(
    seen: dict[str, object], asked: dict[str, bool] = ALL, why: str = ""
) -> dict[str, str]:
    return {each.what: each.outcome for each in wiped_of(asked, seen, why=why)}


def test_what_was_read_back_is_proved_and_what_was_only_said_is_not() -> None:
    seen = {
        "wiped/said/bios": {"wiped": ["/b", "/c", "/e"], "not_offered": []},
        "wiped/bios": {"differs": {"/b": [], "/c": ["Numa"], "/e": None}},
        "wiped/said/drives": {"wiped": {"/f": "/Tasks/1 is Completed"}, "not_offered": ["/d"]},
        "wiped/logs": {"offered": ["/l"], "not_offered": ["/k"], "left": 0},
        "wiped/logs-left": 0,
        "wiped/login": "its maker's",
        "wiped/certificate": "ab" * 32,
        "wiped/remains": {"before": {**LEFT, "servers": ["10.0.0.1"]}, "now": LEFT},
    }
    assert outcomes(seen) == {
        "drives /f": "said",
        "drives /d": "not-offered",
        "bios /b": "proved",
        "bios /c": "said",
        "bios /e": "said",
        "logs /l": "proved",
        "logs /k": "not-offered",
        "login": "proved",
        "certificate": "proved",
        "accounts": "proved",
        "keys": "proved",
        "subscriptions": "proved",
        "servers": "proved",
    }


@pytest.mark.parametrize(
    ("what", "before", "now", "outcome"),
    [
        ("accounts", ["root", "us"], ["root"], "proved"),
        ("accounts", ["root", "us"], ["admin", "root"], "said"),
        ("keys", 1, 1, "failed"),
        ("keys", None, None, "not-offered"),
        ("subscriptions", ["https://us/events"], ["https://us/events"], "failed"),
        ("servers", ["10.0.0.1"], ["pool.maker"], "proved"),
        ("servers", ["10.0.0.1"], ["10.0.0.1"], "said"),
        ("servers", None, ["pool.maker"], "said"),
    ],
)
def test_what_is_left_at_a_controller_is_judged_by_what_was_there(
    what: str, before: object, now: object, outcome: str
) -> None:
    told = {"before": {**LEFT, what: before}, "now": {**LEFT, what: now}}
    assert outcomes({"wiped/remains": told})[what] == outcome


def test_what_nobody_could_read_is_not_proved() -> None:
    told = {"before": LEFT, "now": {"unread": "a password has to be set first"}}
    found = outcomes({"wiped/remains": told})
    assert {found[each] for each in LEFT} == {"said"}


def test_what_no_step_came_to_is_failed_and_what_was_not_asked_is_that() -> None:
    asked = {"logs": True, "controller": True}
    assert outcomes({}, asked, "it fell silent") == {
        "drives": "not-asked",
        "bios": "not-asked",
        "logs": "failed",
        "login": "failed",
        "certificate": "failed",
        **dict.fromkeys(LEFT, "failed"),
    }


def test_a_record_is_whole_only_where_all_of_it_is_proved() -> None:
    remains = {"before": None, "now": LEFT}
    seen = {"wiped/login": "none of ours", "wiped/certificate": "x", "wiped/remains": remains}
    items = tuple(wiped_of({"controller": True}, seen, why=""))
    record = Retirement(
        plan="p", node="n", uid="u", address="a", serial="s", make="m", model="m", at=1.0, by="b",
        items=items,
    )  # fmt: skip
    assert record.whole
    kept = tuple(wiped_of({"controller": True, "bios": True}, seen, why=""))
    assert not msgspec.structs.replace(record, items=kept).whole
    signed = msgspec.structs.replace(record, signature="x", key="y")
    assert signed.signed_bytes() == record.signed_bytes()
