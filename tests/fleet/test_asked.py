"""Plans of what a person asked for: who is affected, who is left out and why, as golden texts.

To write them anew after a change that is meant, run this file with `GOLDEN=write` in the
environment, and then read every line of the difference.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as change

from iolaus.fleet.asked import plan_asked, rules_for
from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.plan import Surroundings
from iolaus.fleet.plan_text import plan_text
from iolaus.fleet.step_node import ACTIONS
from iolaus.fleet.topology import topology_of
from iolaus.kernel.errors import OperatorMust
from iolaus.model.credential import CredentialFact
from iolaus.model.desired import RolloutWant
from iolaus.model.plan import Asked, Fate, Plan, Verb
from tests.fleet.build import manager
from tests.fleet.planned import ABLE, NOW, base_of, kept, tray

GOLDEN = Path(__file__).parent / "golden"
TELLS = ABLE | {"boot.time", "boot.override"}
FREE = [
    manager("boot.override.target", "None"),
    manager("boot.override.enabled", "Disabled"),
    manager("boot.override.mode", "UEFI"),
]
DAY = 86_400.0
DRAIN = {"adapter": "slurm", "timeout": "1h"}


def asked(kind: str = "power", **arguments: Any) -> Asked:
    return Asked(kind=kind, arguments=arguments, at=NOW)


def over_http(uri: str) -> Asked:
    return asked("boot", target="UefiHttp", enabled="Once", http_uri=uri)


def plan_of(
    nodes: Iterable[NodeFacts], what: Asked, rules: dict[str, Any] | None = None, **more: Any
) -> Plan:
    every = list(nodes)
    want = base_of(rollout=rules or {}).spec.rollout
    around = Surroundings(topology=topology_of(every))
    return plan_asked(what, every, around, rules=want, now=NOW, made_by="carol", **more)


def host(name: str, power: str | None = "On", **more: Any) -> NodeFacts:
    given: dict[str, Any] = {"capabilities": TELLS, "manager": tuple(FREE), **more}
    return tray(name, fields={"power_state": power}, **given)


def a_rack() -> list[NodeFacts]:
    return [
        *(host(f"r1-u{unit:02}") for unit in range(1, 5)),
        host("r1-u05", "Off"),
        host("r1-u06", None),
        host("r1-u07", "PoweringOff"),
        host("r1-u08", managed=False),
        host("r1-u09", blind="it does not answer"),
        host("r1-pdu", kind="pdu"),
    ]


def reads_as(name: str, plan: Plan) -> None:
    """Compares with the golden text, by an id that stays."""
    text, path = plan_text(plan).replace(plan.id, "7f3c01a9be42"), GOLDEN / f"asked-{name}.txt"
    if os.environ.get("GOLDEN") == "write":
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("action", ACTIONS)
def test_power_reads_well(action: str) -> None:
    reads_as(f"power-{action}", plan_of(a_rack(), asked(action=action)))


def test_what_disturbs_is_drained_in_the_window_within_the_limits() -> None:
    rules = {
        "drain": DRAIN,
        "window": {"cron": "0 2 * * 6", "duration": "4h"},
        "limits": {"maxUnavailable": 2, "perDomain": {"rack": 2}},
        "approvals": [{"group": "hw-oncall"}],
        "waves": [{"name": "canary", "max": 1, "soak": "1d"}],
    }
    reads_as("cycle-by-rules", plan_of(a_rack(), asked(action="cycle", how="force"), rules))
    on = plan_of(a_rack(), asked(action="on"), rules)
    assert (on.drain, on.window, on.approvals[0].group) == (None, None, "hw-oncall")


def test_who_stays_away_takes_up_room_for_good() -> None:
    plan = plan_of(a_rack(), asked(action="off"), {"limits": {"maxUnavailable": 2}, "drain": DRAIN})
    going = [node for node in plan.nodes if node.fate is Fate.UPDATE]
    assert [node.name for node in going] == ["r1-u01", "r1-u02"]
    assert [step.action.verb for step in going[0].steps] == [Verb.DRAIN, Verb.RESET]
    assert plan.nodes[3].reason == "2 nodes are away, and 2 may be"


def test_a_host_without_a_start_time_is_cycled_in_steps_that_prove_themselves() -> None:
    plain = host("n1", capabilities=ABLE)
    (node,) = plan_of([plain], asked(action="cycle", how="force")).nodes
    kinds = [step.action.arguments.get("type") for step in node.steps]
    assert kinds == ["ForceOff", "On", None]
    (node,) = plan_of([plain], asked(action="reset")).nodes
    assert (node.steps[0].after, node.steps[0].attempts) == ((), 1)
    assert node.steps[0].text == "Restart the host (nothing tells whether it did)"


def test_what_leads_to_what_it_began_with_is_sent_once() -> None:
    for action in ("reset", "nmi", "mains"):
        (node,) = plan_of([host("n1")], asked(action=action)).nodes
        assert [s.attempts for s in node.steps if s.action.verb is Verb.RESET] == [1]
        assert all(step.undo is None and not step.escalate for step in node.steps)


def test_new_passwords_read_well() -> None:
    """Given anew, never given yet, fallen back to another login, none known, and not ours to
    give."""
    accounts = ABLE | {"accounts"}
    own = CredentialFact(user="root", number=2, since=NOW - 100 * DAY)
    nodes = [
        *(host(f"r1-u{unit:02}", capabilities=accounts, credential=own) for unit in (1, 2, 3)),
        host("r1-u04", capabilities=accounts, credential=CredentialFact(user="root")),
        host("r1-u05", capabilities=accounts, credential=change(own, fallen=True, user="svc")),
        host("r1-u06", capabilities=accounts),
        host("r1-u07", credential=own),
        host("r1-u08", capabilities=accounts, credential=own, answers=False),
        host("r1-u09", capabilities=accounts, credential=own, managed=False),
        host("r1-u10", capabilities=accounts, credential=own, blind="it does not answer"),
    ]
    rules = {"limits": {"maxUnavailable": 2}, "drain": DRAIN}
    reads_as("new-passwords", plan_of(nodes, asked("rotate"), rules))


def test_a_boot_override_reads_well_and_goes_back() -> None:
    once = asked("boot", target="Pxe", enabled="Once", mode="UEFI")
    same = [
        manager("boot.override.target", "Pxe"),
        manager("boot.override.enabled", "Once"),
        manager("boot.override.mode", "UEFI"),
    ]
    nodes = [host("n1"), host("n2"), host("n3", manager=tuple(same)), host("n4", manager=())]
    plan = plan_of(nodes, once)
    reads_as("boot-once", plan)
    step = plan.nodes[0].steps[0]
    assert step.undo is not None
    assert step.undo.arguments == {"target": "None", "enabled": "Disabled", "mode": "UEFI"}
    clear = asked("boot", target="None", enabled="Disabled")
    assert [node.fate for node in plan_of(nodes[1:3], clear).nodes] == [Fate.NO_OP, Fate.UPDATE]


def test_a_start_over_http_says_from_where_and_only_where_that_can_be_said() -> None:
    uri = "https://boot.example/loader.efi"
    once = over_http(uri)
    known = host("n1").manager
    shown = manager("boot.override.http_uri", "")
    plan = plan_of([host("n1"), host("n2", manager=(*known, shown))], once)
    fates = {node.name: node.fate for node in plan.nodes}
    assert fates == {"n1": Fate.BLOCKED, "n2": Fate.UPDATE}
    (step,) = next(node for node in plan.nodes if node.name == "n2").steps
    assert uri in step.text
    assert step.action.arguments["http_uri"] == uri
    assert uri in [each.value for each in step.after]
    assert step.undo is not None
    assert step.undo.arguments["http_uri"] == "", "it is taken out again"
    clear = asked("boot", target="None", enabled="Disabled")
    left = [*known, manager("boot.override.http_uri", uri)]
    plan = plan_of([host("n1", manager=tuple(left)), host("n2", manager=(*known, shown))], clear)
    assert [node.fate for node in plan.nodes] == [Fate.UPDATE, Fate.NO_OP]
    (step,) = plan.nodes[0].steps
    assert step.action.arguments["http_uri"] == "", "or the next start over HTTP fetches it again"
    assert "" in [each.value for each in step.after]


def test_the_same_asked_twice_is_two_plans_and_a_used_up_override_moves_nothing() -> None:
    first = plan_of([host("n1")], asked(action="cycle"))
    again = Asked(kind="power", arguments={"action": "cycle"}, at=NOW + 60)
    assert first.id != plan_of([host("n1")], again).id
    assert host("n1").digest() == host("n1", manager=()).digest()


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (asked("dance"), "nobody can be asked for 'dance'"),
        (asked(action="explode"), "'explode' is no action"),
        (asked(action="nmi", how="graceful"), "has no graceful way"),
        (asked(action="on", whom="n1"), "power takes no 'whom'"),
        (asked("boot", target="pxe", enabled="Once"), "'pxe' is no target"),
        (asked("boot", target="Pxe", enabled="Once", mode="x"), "'x' is no mode"),
        (asked("boot", target="UefiTarget", enabled="Once"), "needs its device path"),
        (asked("boot", target="Pxe", enabled="Once", http_uri="https://b"), "but UefiHttp starts"),
        (over_http("ftp://b/x"), "http:// or https://"),
        (over_http("https://root:word@b/x"), "without a login"),
        (over_http("https:///x"), "and a name"),
    ],
)
def test_what_means_nothing_is_refused_with_what_does(what: Asked, told: str) -> None:
    with pytest.raises(OperatorMust, match=told) as raised:
        plan_of([host("n1")], what)
    assert raised.value.next_step


def test_rules_are_those_that_were_named_or_that_all_share() -> None:
    one = kept(base_of(rollout={"limits": {"maxUnavailable": 1}}))
    other = kept(base_of(rollout={"limits": {"maxUnavailable": 2}}), generation=9)
    assert rules_for(None, []) == (RolloutWant(), "", 0)
    assert rules_for(None, [one, one])[1:] == ("trays", 4)
    assert rules_for(other, [one])[2] == 9
    with pytest.raises(OperatorMust, match="rules differ"):
        rules_for(None, [one, other])
