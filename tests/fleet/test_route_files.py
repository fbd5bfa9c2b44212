"""Files of alarm routes, and who is told of what."""

from __future__ import annotations

import pytest

from iolaus.fleet.document import BadFile
from iolaus.fleet.notices import HOLDS_S, alert, signed
from iolaus.fleet.route_files import read_alarms, receivers_of
from iolaus.model.alarm import Alarm, AlarmState, Priority

FILE = """
apiVersion: iolaus.dev/v1
kind: AlarmRoutes
metadata: {name: routes}
spec:
  receivers:
    - name: prometheus
      alertmanager: {url: "http://127.0.0.1:9093"}
    - name: on-call
      webhook: {url: "https://pager.example/hook", secretFile: /etc/iolaus/pager}
  routes:
    - to: [prometheus]
    - to: [on-call, prometheus]
      priorities: [critical, high]
      selector: {expression: "rack=h1-r07"}
"""


def alarm(rack: str = "h1-r07", priority: Priority = Priority.CRITICAL, **more: object) -> Alarm:
    return Alarm(
        code="LeakDetected",
        uid="u",
        subject="h1-r07-u12",
        state=AlarmState.UNACKNOWLEDGED,
        active=True,
        priority=priority,
        message="wet",
        rack=rack,
        labels={"hall": "h1", "9.odd name": "x"},
        since=100.0,
        **more,  # type: ignore[arg-type]
    )


def test_priority_and_place_say_who_is_told() -> None:
    spec = read_alarms(FILE, source="alarms.yaml").routes
    assert receivers_of(alarm(), spec) == ["prometheus", "on-call"]
    assert receivers_of(alarm("h1-r08"), spec) == ["prometheus"]
    assert receivers_of(alarm(priority=Priority.LOW), spec) == ["prometheus"]


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("[on-call, prometheus]", "[on-cal]", 13, "Did you mean 'on-call'?"),
        ("priorities: [critical, high]", "codes: [LeakDetecte]", 14, "'LeakDetected'"),
        ("rack=h1-r07", "rack=(", 15, ""),
        ("name: on-call", "name: prometheus", 7, "twice"),
        ("alertmanager: {url:", "alertmanger: {url:", 8, "alertmanager"),
        ("http://127", "ftp://127", 8, ""),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, line: int, said: str) -> None:
    assert old in FILE
    with pytest.raises(BadFile) as caught:
        read_alarms(FILE.replace(old, new), source="alarms.yaml")
    told = caught.value.lines()
    assert told[0].startswith(f"alarms.yaml:{line}:")
    assert said in " ".join(told)


def test_an_alert_is_as_alertmanager_wants_it() -> None:
    ringing = alert(alarm(), now=200.0, web="https://iolaus.example")
    assert ringing["labels"] == {
        "alertname": "LeakDetected",
        "severity": "critical",
        "subject": "h1-r07-u12",
        "rack": "h1-r07",
        "hall": "h1",
        "_9_odd_name": "x",
    }
    assert ringing["annotations"]["runbook_url"] == (
        "https://iolaus.example/ui/runbooks/LeakDetected"
    )
    assert ringing["startsAt"] == "1970-01-01T00:01:40.000Z"
    assert ringing["endsAt"] == "1970-01-01T00:08:20.000Z"
    assert HOLDS_S == 300.0


@pytest.mark.parametrize("state", [AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.NORMAL])
def test_what_is_hidden_or_over_has_ended(state: AlarmState) -> None:
    import msgspec

    hidden = msgspec.structs.replace(alarm(), state=state, active=state is not AlarmState.NORMAL)
    assert alert(hidden, now=200.0)["endsAt"] == "1970-01-01T00:03:20.000Z"


def test_the_signature_is_rfc_2104s() -> None:
    assert signed("key", b"The quick brown fox jumps over the lazy dog") == (
        "sha256=f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8"
    )
