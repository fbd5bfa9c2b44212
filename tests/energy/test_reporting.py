"""What the grid is told: every word by the contract, a breach from its beginning to its end."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from iolaus.app.reporting import KEY_FILE, PUBLIC_FILE, own_signer
from iolaus.energy.flex import ALL, Schedule
from iolaus.energy.reporting import (
    ALERT,
    ENFORCED,
    STATE,
    CapSeen,
    FeedSeen,
    Reporter,
    Word,
    correlation_of,
)
from iolaus.kernel.errors import OperatorMust
from iolaus.wire.dsx.flex import LoadTarget
from tests.sim.building.contract import Contract

SCHEMAS = {
    STATE: "PowerStateStatusData",
    ALERT: "PowerBreachAlertData",
    ENFORCED: "PowerBreachEnforcementData",
}
AT = 1_800_000_000.0
CORRELATION = "6f9619ff-8b86-4011-b42d-00c04fc964ff"


def target(limit_w: float | None, *, start: float = 0, end: float | None = None) -> LoadTarget:
    return LoadTarget(
        limit_w=limit_w,
        feeds=("main-a",),
        start_s=AT + start,
        end_s=None if end is None else AT + end,
        best_effort=False,
        source="//grid/v1/isv/acme",
        event_id="12345678",
        correlation=CORRELATION,
    )


def feed(
    charged_w: float, measured_w: float | None, *, cap_w: float = 900, **more: Any
) -> FeedSeen:
    caps = (CapSeen("n2", 2, 400, cap_w, True), CapSeen("n1", 0, 400, cap_w, True))
    given = {"tag": "main-a", "caps": caps, **more}
    return FeedSeen(
        least_w=800, most_w=2000, charged_w=charged_w, planned_w=charged_w,
        measured_w=measured_w, **given,
    )  # fmt: skip


class Talk:
    """A reporter over time, and all that it said."""

    def __init__(self, *targets: LoadTarget) -> None:
        self.reporter, self.said = Reporter(), list[Word]()
        self.schedule = Schedule({"main-a": "h1-a"}, targets)

    def look(self, second: float, *feeds: FeedSeen, why_not: str = "") -> list[Word]:
        found = self.reporter.look(feeds, self.schedule, AT + second, why_not=why_not)
        self.said += found
        return found

    def events(self) -> list[str]:
        states = [each.data["feeds"] for each in self.said if each.kind == STATE]
        return [str(feeds["main-a"]["event"]) for feeds in states]


def only(words: Iterable[Word], kind: str) -> list[Any]:
    return [each.data for each in words if each.kind == kind]


def test_a_target_is_told_from_its_beginning_to_its_end() -> None:
    talk = Talk(target(1500, start=10, end=100))
    for second, charged_w in (
        (0, 1800),
        (5, 1800),
        (10, 1800),
        (12, 1600),
        (15, 1500),
        (100, 1500),
    ):
        talk.look(second, feed(charged_w, charged_w - 100))
    talk.look(103, feed(1500, 1400))
    assert talk.events() == [
        "target_set", "start_ramp_down", "end_ramp_down", "start_ramp_up", "end_ramp_up",
    ]  # fmt: skip
    states = [each["feeds"]["main-a"] for each in only(talk.said, STATE)]
    assert [each["compliant"] for each in states] == [True, False, True, True, True]
    assert [each["in_flight"] for each in states] == [False, True, False, True, False]
    assert states[1]["targets"][0]["active"] is True
    assert talk.look(140, feed(1500, 1400)) == []
    assert talk.look(163, feed(1500, 1400))[0].data["feeds"]["main-a"]["event"] == "periodic"


def test_a_breach_begins_grows_is_enforced_and_ends_under_one_name() -> None:
    talk = Talk(target(1500))
    for second in range(20):
        talk.look(second, feed(1500, 1600, cap_w=900 if second < 13 else 600))
    for second in range(20, 40):
        talk.look(second, feed(1500, 1900, cap_w=600))
    for second in range(40, 50):
        talk.look(second, feed(1400, 1400, cap_w=600))
    alerts, deeds = only(talk.said, ALERT), only(talk.said, ENFORCED)
    assert [each["status"] for each in alerts] == ["active", "escalated", "resolved"]
    assert [each["severity"] for each in alerts] == ["warning", "critical", "critical"]
    assert [each["action"] for each in deeds] == ["applied", "reverted"]
    assert len({each["breach"]["breach_id"] for each in alerts}) == 1
    assert {each["breach_id"] for each in deeds} == {alerts[0]["breach"]["breach_id"]}
    assert [each["resource_id"] for each in alerts[0]["shed_hints"]] == ["n1", "n2"]
    assert alerts[1]["infrastructure_actions"] == ["SHUTDOWN_NODES", "SHUTDOWN_RACKS"]
    assert (alerts[2]["infrastructure_actions"], "shed_hints" in alerts[2]) == ([], False)
    assert deeds[0]["code"] == "success"
    assert {each.correlation for each in talk.said if each.kind != STATE} == {CORRELATION}


def test_what_is_not_measured_begins_no_breach_and_ends_none() -> None:
    talk = Talk(target(1500))
    for second in range(30):
        talk.look(second, feed(1500, None))
    assert only(talk.said, ALERT) == []
    for second in range(30, 45):
        talk.look(second, feed(1500, 1600))
    for second in range(45, 80):
        talk.look(second, feed(1500, None))
    assert [each["status"] for each in only(talk.said, ALERT)] == ["active"]
    talk.schedule.targets.clear()
    talk.look(81, feed(1500, None))
    assert [each["status"] for each in only(talk.said, ALERT)] == ["active", "resolved"]


def test_what_is_only_watched_is_told_as_not_enforced() -> None:
    talk = Talk(target(1500))
    for second in range(20):
        talk.look(second, feed(1500, 1600), why_not="mode observe: nothing is enforced")
    (deed,) = only(talk.said, ENFORCED)
    assert (deed["code"], {each["code"] for each in deed["results"]}) == ("error", {"skipped"})


def test_a_target_of_all_feeds_is_judged_by_their_sum() -> None:
    whole = LoadTarget(
        limit_w=1500, feeds=(), start_s=AT, end_s=None, best_effort=True, source="s",
        event_id="12345678", correlation="",
    )  # fmt: skip
    talk = Talk(whole)
    talk.look(0, feed(1200, 1200), feed(2400, 2400, tag=ALL))
    (state,) = only(talk.said, STATE)
    assert list(state["feeds"]) == ["main-a"]
    assert state["feeds"]["main-a"]["compliant"] is False
    assert correlation_of(whole) == correlation_of(whole)


def test_every_word_is_the_contracts(shared: Path, tmp_path: Path) -> None:
    contract = Contract(shared / "dsx" / "dsx-flex.yaml")
    talk = Talk(target(1500, end=60))
    for second in range(70):
        talk.look(second, feed(1500, 1600 if second < 25 else 1900), why_not="x" * (second > 40))
    talk.look(131, feed(1500, 1400, caps=()))
    assert {each.kind for each in talk.said} == set(SCHEMAS)
    signer = own_signer(tmp_path, who="iolaus")
    keys = KeySet.import_key_set(json.loads((tmp_path / PUBLIC_FILE).read_text()))
    for word in talk.said:
        errors = list(contract.schema(SCHEMAS[word.kind]).iter_errors(word.data))
        assert not errors, errors[:2]
        topic, payload = signer.event(
            word.kind, word.data, who="iolaus", at=AT, correlation=word.correlation
        )
        envelope = json.loads(payload)
        contract.check(topic, envelope)
        assert json.loads(jws.deserialize_compact(envelope["data"], keys).payload) == word.data


def test_our_key_is_made_once_is_private_and_its_public_half_shows_nothing(tmp_path: Path) -> None:
    own_signer(tmp_path, who="iolaus")
    first = (tmp_path / KEY_FILE).read_bytes()
    own_signer(tmp_path, who="iolaus")
    assert (tmp_path / KEY_FILE).read_bytes() == first
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600
    (public,) = json.loads((tmp_path / PUBLIC_FILE).read_text())["keys"]
    assert "d" not in public
    assert json.loads(first)["keys"][0]["d"] not in (tmp_path / PUBLIC_FILE).read_text()
    for spoilt in (b"", b"{}", b'{"keys": []}', b'{"keys": [{"kty": "EC"}]}', b"\xff"):
        (tmp_path / KEY_FILE).write_bytes(spoilt)
        with pytest.raises(OperatorMust, match="no key"):
            own_signer(tmp_path, who="iolaus")
