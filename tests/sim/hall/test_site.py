"""The site file: what is read, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import IolausError, OperatorMust
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_command import HallOptions, hall_devices
from iolaus.sim.hall_site import load_site, packaged_site, parse_site

GOOD = """\
apiVersion: iolaus.dev/v1
kind: Site
metadata: {name: small}
spec:
  seed: 3
  network: {cidr: 127.30.0.0/24}
  latency: {median_ms: 20, sigma: 0.4, floor_ms: 2, factors: {"*/FirmwareInventory*": 3}}
  racks:
    one:
      height: 20
      place:
        - {persona: orv3-shelf, u: 1}
        - {persona: gb300-tray, u: 4, count: 3, labels: {pool: train}}
  halls:
    - name: h7
      labels: {building: north}
      rows:
        - name: a
          x: 2
          racks: [{template: one, count: 2}]
          equip: [{persona: cdu-row}]
"""


def edited(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def test_a_site_is_seated_as_written() -> None:
    seats = build_hall(parse_site(GOOD, source="small.yaml"))
    assert [seat.name for seat in seats] == [
        "h7-r01-ps1", "h7-r01-u04", "h7-r01-u05", "h7-r01-u06",
        "h7-r02-ps1", "h7-r02-u04", "h7-r02-u05", "h7-r02-u06",
        "h7-a-cdu1",
    ]  # fmt: skip
    tray = seats[2]
    assert tray.labels == {
        "site": "small", "hall": "h7", "building": "north", "row": "a", "rack": "h7-r01",
        "column": "1", "x": "2", "y": "0", "role": "node", "pool": "train", "u": "5", "height": "1",
    }  # fmt: skip
    assert seats[0].address == "127.30.0.1"
    assert tray.latency.median_s == 0.02
    assert tray.latency.factors == (("*/FirmwareInventory*", 3.0),)


WRONG = [
    # what is edited, how, where the complaint points, what it says, what to do
    ("seed: 3", "sede: 3", "sede", "unknown key 'sede'", "Did you mean 'seed'?"),
    ("seed: 3", "seed: three", "three", "must be a number", "Write seed: 0"),
    ("seed: 3", "seed: 2.5", "2.5", "must be a whole number", "Write seed: 0"),
    ("seed: 3", "seed: 1e99", "1e99", "out of range", "Write seed: 0"),
    ("seed: 3", "seed: {a: 1}", "{a: 1}", "must be a number", "Write seed: 0"),
    ("count: 3,", "count: -1,", "-1", "at least 0", "Write count: 1"),
    ("gb300-tray", "gb300-trey", "gb300-trey", "is not known", "'gb300-tray'"),
    ("template: one", "template: won", "won", "'won' is not known", "'one'"),
    ("127.30.0.0/24", "10.0.0.0/24", "{cidr", "not within 127.0.0.0/8", "127.x.y.z"),
    ("127.30.0.0/24", "127.30.0.1/24", "{cidr", "host bits", "127.20.0.0/16"),
    ("kind: Site", "kind: Sight", "Sight", "'Sight' is not known", "'Site'"),
    ("{name: small}", "{}", "{}", "'name' is missing", "Add name"),
    ("{name: small}", "{name: [1]}", "[1]", "must be a word", "name: word"),
    ("{name: small}", "small", "small", "must have keys below it", "site-file.md"),
    ("rows:", "raws:", "raws", "unknown key 'raws'", "'rows'"),
    ("place:", "place: {}\n      plaice:", "plaice", "unknown key", "'place'"),
    ("height: 20", "height: 20\n      height: 21", "height: 21", "stands here twice", "Keep one"),
    ("seed: 3", "demo: {imperfections: maybe}", "maybe", "true or false", "imperfections: true"),
    ("[{template: one, count: 2}]", "many", "many", "must be a list", "- items"),
    ("x: 2", "work: trainning", "trainning", "is not known", "'training'"),
    ("seed: 3", "arrivals: no.csv", "no.csv", "there is no no.csv", "Correct the path"),
]


@pytest.mark.parametrize(("old", "new", "at", "said", "hint"), WRONG)
def test_a_mistake_is_told_with_its_place_and_a_hint(
    old: str, new: str, at: str, said: str, hint: str
) -> None:
    text = edited(old, new)
    before = text[: text.index(at)]
    with pytest.raises(OperatorMust) as caught:
        parse_site(text, source="f.yaml")
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    assert caught.value.subject == f"f.yaml:{line}:{column}"
    assert said in caught.value.message
    assert hint in caught.value.next_step


@pytest.mark.parametrize("text", ["", "- a", "just words", "a: [", "a: \x00", "&a [*a"])
def test_what_is_no_site_at_all_is_refused(text: str) -> None:
    with pytest.raises(OperatorMust):
        parse_site(text, source="f.yaml")


def test_rows_work_as_they_say(tmp_path: Path) -> None:
    (tmp_path / "asked.csv").write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n")
    text = edited("x: 2", "work: serving").replace("seed: 3", "arrivals: asked.csv")
    site = parse_site(text, source="f.yaml", folder=tmp_path)
    assert site.works == {("h7", "a"): "serving"}
    assert site.arrivals == tmp_path / "asked.csv"
    assert parse_site(GOOD, source="f.yaml").works == {("h7", "a"): "training"}


def test_machines_may_not_overlap_or_stand_too_high() -> None:
    crowded = edited("u: 4, count: 3", "u: 1, count: 3")
    with pytest.raises(OperatorMust, match="U1 is taken by orv3-shelf"):
        build_hall(parse_site(crowded, source="f"))
    with pytest.raises(OperatorMust, match="U21 is too high"):
        build_hall(parse_site(edited("u: 4, count: 3", "u: 20, count: 3"), source="f"))


def test_a_network_may_be_too_small() -> None:
    with pytest.raises(OperatorMust, match="9 devices do not fit"):
        build_hall(parse_site(edited("127.30.0.0/24", "127.30.0.0/29"), source="f"))


def test_a_hall_beyond_all_bounds_is_refused() -> None:
    huge = edited("{template: one, count: 2}", "{template: one, count: 900000000}")
    with pytest.raises(OperatorMust, match="more than 100,000 devices"):
        build_hall(parse_site(huge, source="f"))


def test_two_halls_of_one_name_are_refused() -> None:
    twice = GOOD + GOOD[GOOD.index("    - name: h7") :]
    with pytest.raises(OperatorMust, match="two halls are named 'h7'"):
        parse_site(twice, source="f")


def test_an_unreadable_file_says_what_to_do(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.yaml", tmp_path):
        with pytest.raises(OperatorMust) as caught:
            load_site(path)
        assert caught.value.exit_code == 2
        assert "site-file.md" in caught.value.next_step
    (tmp_path / "odd.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(OperatorMust):
        load_site(tmp_path / "odd.yaml")


def test_the_password_is_read_from_a_file_beside_the_site(tmp_path: Path) -> None:
    text = edited("  seed: 3", "  seed: 3\n  credentials: {user: op, passwordFile: secret}")
    (tmp_path / "site.yaml").write_text(text)
    (tmp_path / "secret").write_text("hush\n")
    site = load_site(tmp_path / "site.yaml")
    devices = hall_devices(site, HallOptions(), beside=tmp_path)
    assert {tuple(device.options.accounts.items()) for device in devices} == {(("op", "hush"),)}
    (tmp_path / "secret").unlink()
    with pytest.raises(OperatorMust, match="secret"):
        hall_devices(site, HallOptions(), beside=tmp_path)


@given(st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        parse_site(text, source="f")
    except IolausError:
        return
    raise AssertionError("a random text is not a site")


@given(st.integers(0, len(GOOD)), st.text(max_size=8))
def test_any_edit_of_a_good_site_is_read_or_refused(at: int, text: str) -> None:
    try:
        parse_site(GOOD[:at] + text + GOOD[at + len(text) :], source="f")
    except OperatorMust as error:
        assert error.next_step


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(OperatorMust):
        parse_site("{a: " * 5000, source="f")


def test_the_packaged_site_is_valid() -> None:
    site = packaged_site("demo")
    assert site.imperfections
    assert {"nvl72", "air-a", "air-b", "air-c", "hosts", "twins"} == set(site.templates)
