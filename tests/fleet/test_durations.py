"""What is expected of a step is what was seen of its like."""

from __future__ import annotations

from iolaus.fleet.durations import LEAST, Span, durations_of, kind_of
from iolaus.model.plan import Plan, Verb
from tests.fleet.planned import NOW, base_of, image, planned, tray, want

IMAGES = image("bmc-1.7.fwpkg", bmc="1.7"), image("bmc-1.8.fwpkg", bmc="1.8")


def plan_of(count: int) -> Plan:
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    return planned([tray(f"r1-u{n:02}") for n in range(count)], base, *IMAGES)


def spans(plan: Plan, *took_s: float) -> list[Span]:
    flashes = [s for node in plan.nodes for s in node.steps if s.action.verb is Verb.UPDATE]
    return [Span(s.id, NOW, NOW + each) for s, each in zip(flashes, took_s, strict=False)]


def test_the_middle_one_stands_for_all_and_a_rare_one_for_none() -> None:
    plan = plan_of(5)
    found = durations_of([(plan, spans(plan, 100.0, 110.4, 9000.0, 90.0, 120.0))])
    assert found == {("update-firmware", "bmc"): 110.0}
    assert durations_of([(plan, spans(plan, *[1.0] * (LEAST - 1)))]) == {}


def test_a_step_that_no_plan_knows_says_nothing() -> None:
    plan = plan_of(1)
    assert durations_of([(plan, [Span("elsewhere/01", 0.0, 1.0)] * LEAST)]) == {}


def test_several_roll_outs_count_together_and_a_clock_that_stepped_back_is_no_time() -> None:
    one, other = plan_of(2), plan_of(3)
    pairs = [(one, spans(one, 50.0, 60.0)), (other, spans(other, -5.0))]
    assert durations_of(pairs) == {("update-firmware", "bmc"): 50.0}


def test_a_plan_expects_what_was_seen() -> None:
    before = plan_of(4)
    seen = durations_of([(before, spans(before, 3000.0, 3000.0, 3000.0))])
    base = base_of(firmware={"components": [want("bmc", "1.8")]})
    after = planned([tray(f"r1-u{n:02}") for n in range(4)], base, *IMAGES, durations=seen)
    (first, *_), (then, *_) = before.nodes, after.nodes
    assert first.estimate_s is not None
    assert then.estimate_s is not None
    flash = next(s for s in first.steps if s.action.verb is Verb.UPDATE)
    assert kind_of(flash) == ("update-firmware", "bmc")
    assert then.estimate_s - first.estimate_s == 3000.0 - 600.0
