"""Alarms hidden by design: what a rule may say, when it holds, and that it ends."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from iolaus.fleet.document import BadFile
from iolaus.fleet.route_files import read_alarms
from iolaus.fleet.suppress import Around, hider
from iolaus.model.alarm import Alarm, AlarmState, Priority
from iolaus.model.alarm_design import alarms_schema
from iolaus.model.alarm_kinds import ALARM_KINDS
from iolaus.model.alarming import Stands, settled
from iolaus.model.select import MISSING
from tests.fleet.test_route_files import FILE
from tests.north.cli.test_golden import run

RULES = """
apiVersion: iolaus.dev/v1
kind: AlarmSuppression
metadata: {name: retrofit}
spec:
  rules:
    - name: drained
      why: whoever drained a node works on it
      codes: [HealthWarning, HostHung]
      when: {drained: true}
    - name: psu-work
      why: one supply of each node is out
      codes: [HealthWarning]
      selector: {expression: "rack=h1-r07"}
      until: 2026-12-01T06:00:00Z
    - name: dark
      why: the feed is what rings
      codes: [DeviceSilent]
      when: {alarm: FeedLost, node: "power_state=Off"}
"""
END = datetime(2026, 12, 1, 6, tzinfo=UTC).timestamp()


def alarm(code: str = "HealthWarning", rack: str = "h1-r07") -> Alarm:
    return Alarm(
        code=code,
        uid="u",
        subject="n1",
        state=AlarmState.UNACKNOWLEDGED,
        active=True,
        priority=Priority.LOW,
        message="so it is",
        rack=rack,
    )


def around(*, drained: bool = False, off: bool = False, stands: str = "") -> Around:
    state = {"power_state": "Off" if off else "On"}
    return Around(
        drained=lambda: drained,
        changing=lambda: False,
        hosts=lambda: [("n1", lambda key: state.get(key, MISSING))],
        stands=lambda code: code == stands,
    )


def test_the_first_rule_that_holds_hides() -> None:
    rules = read_alarms(RULES, source="alarms.yaml").rules
    before, after = END - 1.0, END
    elsewhere = alarm(rack="h1-r08")
    assert hider(alarm(), rules, around(drained=True), now=before) == "design/drained"
    assert hider(alarm(), rules, around(), now=before) == "design/psu-work"
    assert hider(alarm(), rules, around(), now=after) == ""
    assert hider(elsewhere, rules, around(), now=before) == ""
    silent = alarm("DeviceSilent")
    assert hider(silent, rules, around(off=True, stands="FeedLost"), now=0.0) == "design/dark"
    assert hider(silent, rules, around(stands="FeedLost"), now=0.0) == ""
    assert hider(silent, rules, around(off=True), now=0.0) == ""


def test_what_was_hidden_rings_when_the_rule_no_longer_holds() -> None:
    rules = read_alarms(RULES, source="alarms.yaml").rules
    standing = {each.key: each for each in (alarm(), alarm("LeakDetected"))}
    for now, state in ((END - 1.0, AlarmState.SUPPRESSED), (END, AlarmState.UNACKNOWLEDGED)):

        def design(each: Alarm, stands: Stands, now: float = now) -> str:
            return hider(each, rules, around(), now=now)

        changed, _ = settled(standing, {}, ALARM_KINDS, pending={}, now=now, design=design)
        standing |= changed
        assert standing[alarm().key].state is state
        assert standing[alarm("LeakDetected").key].state is AlarmState.UNACKNOWLEDGED
    assert standing[alarm().key].hidden_by == ""


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("when: {drained: true}", "when: {}", 7, "for ever"),
        ("[HealthWarning, HostHung]", "[LeakDetected]", 9, "never hidden by a rule"),
        ("[HealthWarning, HostHung]", "[HealthWarnin]", 9, "Did you mean 'HealthWarning'?"),
        ("alarm: FeedLost", "alarm: FeedLast", 19, "Did you mean 'FeedLost'?"),
        ("power_state=Off", "power_state=(", 19, ""),
        ("2026-12-01T06:00:00Z", "2026-12-01T06:00:00", 15, ""),
        ("name: dark", "name: drained", 7, "twice"),
        ("why: one supply of each node is out", "why: ''", 12, ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, line: int, said: str) -> None:
    assert old in RULES
    with pytest.raises(BadFile) as caught:
        read_alarms(RULES.replace(old, new), source="alarms.yaml")
    told = caught.value.lines()
    assert told[0].startswith(f"alarms.yaml:{line}:"), told
    assert said in " ".join(told)


def test_one_file_holds_routes_and_rules_and_is_validated(tmp_path: Path) -> None:
    path = tmp_path / "alarms.yaml"
    path.write_text(f"{FILE}---{RULES}")
    assert "2 receivers, 2 routes, 3 rules of alarms are valid" in run(f"validate {path}")
    path.write_text(f"{FILE}---{FILE}")
    assert "there are two AlarmRoutes" in run(f"validate {path}")


def test_the_schema_that_editors_use_is_the_one_of_the_model() -> None:
    """Write it anew with GOLDEN=write in the environment."""
    path = Path(__file__).parents[2] / "docs" / "alarms.schema.json"
    told = json.dumps(alarms_schema(), indent=2, ensure_ascii=False) + "\n"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(told)
    assert path.read_text() == told
    judge = jsonschema.Draft202012Validator(alarms_schema())
    for text in (FILE, RULES):
        document = yaml.load(text, Loader=yaml.BaseLoader)
        assert judge.is_valid(yaml.safe_load(FILE))
        assert not judge.is_valid({**document, "speck": {}})
