"""Lists of expected hardware: their complaints have a place, and no password stays in them."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import validate  # type: ignore[import-untyped]

from iolaus.fleet.document import BadFile
from iolaus.fleet.expected_files import read_expected, read_table
from iolaus.model.expected import json_schema

LIST = """\
apiVersion: iolaus.dev/v1
kind: ExpectedHardware
metadata: {name: hall-1}
spec:
  approval: list
  model: PowerEdge XE9680
  credential: factory
  nodes:
    - {serial: A1, name: h1-r01-u01, rack: r01, unit: 1, mac: "3c:ec:ef:00:11:22"}
    - {serial: A2}
"""
TABLE = """\
Service Tag;Model;iDRAC MAC;Default User;Default Password;Rack;U
A1;PowerEdge XE9680;3C:EC:EF:00:11:22;root;Sesam-1!;r01;U4
A2;PowerEdge XE9680;3C:EC:EF:00:11:23;root;Sesam-2!;r01;5
"""


def wrong(text: str) -> list[str]:
    with pytest.raises(BadFile) as caught:
        read_expected(text, source="e.yaml")
    return caught.value.lines()


def test_a_list_is_read_and_is_valid_by_the_schema() -> None:
    (found,) = read_expected(LIST, source="e.yaml")
    assert [node.serial for node in found.spec.nodes] == ["A1", "A2"]
    validate(yaml.safe_load(LIST), json_schema())


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("approval: list", "aproval: list", "e.yaml:5:3: spec.aproval: this key is not known"),
        ("serial: A2", "serial: A1", "e.yaml:10:16: spec.nodes[1].serial: 'A1' stands here twice"),
        ("unit: 1", "unit: 99", "e.yaml:9:55: spec.nodes[0].unit"),
        ("3c:ec:ef:00:11:22", "3c:ec", "e.yaml:9:63: spec.nodes[0].mac"),
        ("serial: A2", "name: A2", "e.yaml:10:7: spec.nodes[1]: 'serial' is missing"),
        ("approval: list", "handover: {to: ironic}", "spec.handover: 'url' is missing"),
        ("serial: A2", "serial: A2, password: x", "spec.nodes[1].password: this key is not known"),
    ],
)
def test_complaints_have_their_place(before: str, after: str, said: str) -> None:
    lines = wrong(LIST.replace(before, after))
    assert any(said in line for line in lines), lines


def test_a_table_of_a_maker_gives_nodes_and_its_passwords_leave_it() -> None:
    found = read_table(TABLE, source="t.csv", name="hall-1")
    first = found.nodes[0]
    assert (first.serial, first.rack, first.unit) == ("A1", "r01", 4)
    assert first.credential == "factory.hall-1.A1"
    assert [login.password for login in found.logins] == ["Sesam-1!", "Sesam-2!"]
    assert "Sesam" not in repr(found.nodes) + repr(found.logins)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Model\nX\n", "t.csv:1:1: no column holds the serial"),
        ("Serial,User\nA1,root\n", "t.csv:1:2: a column holds each user and none the password"),
        ("Password,SN\nx,A1\n", "t.csv:1:1: a column holds each password and none the user"),
        ("Serial,U\nA1,99\n", "t.csv:2:2: unit"),
        ("Serial,MAC\nA1,zz\n", "t.csv:2:2: mac"),
        ("Serial\n", "t.csv:1:1: it names no node"),
        ('Serial\n"A1\n', "unexpected end of data"),
    ],
)
def test_complaints_about_a_table_have_their_place(text: str, said: str) -> None:
    with pytest.raises(BadFile) as caught:
        read_table(text, source="t.csv", name="hall-1")
    assert any(said in line for line in caught.value.lines()), caught.value.lines()


@settings(max_examples=100)
@given(st.text(max_size=200).map(lambda text: "serial,user,password\n" + text))
def test_any_table_is_read_or_refused(text: str) -> None:
    try:
        found = read_table(text, source="t.csv", name="x")
    except BadFile:
        return
    assert found.nodes
