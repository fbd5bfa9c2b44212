"""Who waits for a person: told by journals, ended by the judge, or by coming back."""

from __future__ import annotations

from typing import Any

from iolaus.model.alarm_rules import OF_ASSETS, Subject, judge_conditions
from iolaus.model.reach import Verdict
from iolaus.model.rollout import Entry, EntryKind
from iolaus.recovery.persons import Persons

SUBJECT = Subject(uid="u", name="n", endpoint="e", rack="r")
FAILED = {"state": "failed", "reason": "See that it is back: it hangs. A person is needed: look."}


def entry(kind: EntryKind, at: float, **doc: Any) -> Entry:
    return Entry(plan="p", number=1, kind=kind, at=at, epoch=1, node="u", step="u/1", doc=doc)


def rings(persons: Persons, verdict: Verdict | None) -> bool | None:
    found = persons.condition("u", verdict)
    judged = judge_conditions(SUBJECT, [found] if found else [], OF_ASSETS)
    return None if not judged else judged["u", "RecoveryNeedsPerson"] is not None


def test_a_recovery_that_brought_nobody_back_rings_until_the_node_is_well() -> None:
    persons = Persons()
    persons.hear("p", [entry(EntryKind.STARTED, 1.0, verb="gather-evidence"),
                       entry(EntryKind.NODE_STATE, 2.0, **FAILED)])  # fmt: skip
    found = persons.condition("u", Verdict.HOST_HUNG)
    assert found is not None
    assert (found.reason, found.since) == ("NeedsPerson", 2.0)
    assert found.message == "it is not back: it hangs"
    assert found.next_step == "look; what was tried: iolaus describe recovery/p"
    assert rings(persons, Verdict.HOST_HUNG)
    assert rings(persons, None)
    assert rings(persons, Verdict.WELL) is False
    persons.hear("q", [entry(EntryKind.STARTED, 3.0, verb="recover"),
                       entry(EntryKind.NODE_STATE, 4.0, state="done")])  # fmt: skip
    assert rings(persons, None) is False
    persons.hear("p", [entry(EntryKind.NODE_STATE, 2.0, **FAILED)])
    assert rings(persons, None) is False, "an older journal that is read later"


def test_other_plans_and_nodes_that_came_back_at_once_say_nothing() -> None:
    persons = Persons()
    persons.hear("fw", [entry(EntryKind.STARTED, 1.0, verb="update-firmware"),
                        entry(EntryKind.NODE_STATE, 2.0, **FAILED)])  # fmt: skip
    persons.hear("p", [entry(EntryKind.STARTED, 3.0, verb="gather-evidence"),
                       entry(EntryKind.NODE_STATE, 4.0, state="done")])  # fmt: skip
    assert persons.condition("u", None) is None


def test_a_person_reads_which_rungs_were_used_before() -> None:
    persons = Persons()
    words = ("nmi", "restart", "outlet-off", "outlet-on", "look", "prove")
    begun = [entry(EntryKind.STARTED, 1.0, verb="recover", subject=word) for word in words]
    persons.hear("p", [*begun, entry(EntryKind.NODE_STATE, 2.0, **FAILED)])
    found = persons.condition("u", Verdict.HOST_HUNG)
    assert found is not None
    assert found.message == "it is not back after nmi, restart, outlet: it hangs"


def test_what_is_held_off_is_never_said_to_be_back() -> None:
    persons, held = Persons(), {"state": "failed", "reason": "See that it is held off: it runs"}
    begun = [entry(EntryKind.STARTED, 1.0, verb="recover", subject="cut-off")]
    persons.hear("p", [*begun, entry(EntryKind.NODE_STATE, 2.0, **held)])
    found = persons.condition("u", Verdict.COMPROMISED)
    assert found is not None
    assert (found.reason, found.message) == ("NeedsPerson", "it is not held off: it runs")
    persons.hear("q", [*begun, entry(EntryKind.NODE_STATE, 3.0, state="done")])
    found = persons.condition("u", Verdict.COMPROMISED)
    assert found is not None
    assert found.reason == "HeldOff"
    assert rings(persons, Verdict.COMPROMISED) is False
