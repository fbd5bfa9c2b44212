"""What is different between two plans, or between a plan and the hall as it is now.

A plan is applied to the world that it was made for or not at all. When it is refused, a person
must see at once what moved: each sentence names nodes, what is so now and what was so then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.judge import say
from iolaus.fleet.plan_words import count
from iolaus.model.desired import Kept
from iolaus.model.hosts import say_hosts
from iolaus.model.plan import Expect, Fate, NodePlan, Op, Plan

WIDTH: Final = 70
_COMPARED: Final = ("firmware", "bios", "bmc")


def what_changed(plan: Plan, now: Iterable[NodeFacts], *, kept: Kept | None = None) -> list[str]:
    """Sentences; none: the plan still fits. `now` are the nodes that its baseline selects now;
    `kept` is that baseline as it is kept (None: it is not asked)."""
    facts = {each.uid: each for each in now}
    told: dict[str, list[str]] = defaultdict(list)
    for node in plan.nodes:
        for sentence in _of_node(node, facts.get(node.uid)):
            told[sentence].append(node.name)
    planned = {node.uid for node in plan.nodes}
    for each in facts.values():
        if each.uid not in planned:
            told["is selected now, and was not when this was planned"].append(each.name)
    return [*_of_baseline(plan, kept), *(_line(names, why) for why, names in told.items())]


def diff_text(old: Plan, new: Plan) -> str:
    """What a second plan does otherwise than a first: fates and steps, node by node folded."""
    before = {node.uid: node for node in old.nodes}
    told: dict[str, list[str]] = defaultdict(list)
    for node in new.nodes:
        was = before.pop(node.uid, None)
        if (sentence := _otherwise(was, node)) is not None:
            told[sentence].append(node.name)
    for gone in before.values():
        told["is not in the new plan"].append(gone.name)
    lines = [f"Plan {new.id} instead of {old.id}"]
    if old.generation != new.generation:
        lines.append(f"  {new.baseline}: generation {new.generation}, was {old.generation}")
    for why, names in told.items():
        head, *more = why.split("\n")
        lines += [f"  {_line(names, head)}", *(f"      {each}" for each in more)]
    if len(lines) == 1 and old.digest != new.digest:
        lines.append("  the same for every node; only the rules or waves differ")
    return "\n".join(lines if len(lines) > 1 else [*lines, "  nothing differs"]) + "\n"


def _line(names: list[str], why: str) -> str:
    ranges = say_hosts(sorted(names), width=WIDTH, most_lines=1)
    more = f" {ranges[1]}" if ranges[1:] else ""
    many = f" ({count(len(names), 'node')})" if len(names) > 1 else ""
    return f"{ranges[0]}{more}{many}: {why}"


def _of_baseline(plan: Plan, kept: Kept | None) -> Iterator[str]:
    if kept is not None and kept.generation != plan.generation:
        yield (
            f"{plan.baseline}: its generation is {kept.generation}, was {plan.generation} when "
            "this was planned"
        )


def _of_node(node: NodePlan, facts: NodeFacts | None) -> Iterator[str]:
    if facts is None:
        yield "is not selected any more"
        return
    if node.fate is Fate.UPDATE and facts.blind:
        yield f"cannot be seen now: {facts.blind}"
    if node.fate is Fate.UPDATE and not facts.managed:
        yield "its endpoint is read-only now"
    if facts.digest() == node.facts:
        return
    found = list(dict.fromkeys(_moved(node, facts)))
    yield from found or ["something else of it is not as it was when this was planned"]


def _moved(node: NodePlan, facts: NodeFacts) -> Iterator[str]:
    """Of what the steps presuppose: what is not so now."""
    seen = _seen(facts)
    for expect in (e for step in node.steps for e in step.before):
        if expect.op is Op.IS and expect.subject.partition("/")[0] in _COMPARED:
            yield from _compared(expect, seen)


def _compared(expect: Expect, seen: Mapping[str, Any]) -> Iterator[str]:
    if expect.subject not in seen:
        yield f"{expect.subject} is not there now, was {say(expect.value)} when this was planned"
    elif seen[expect.subject] != expect.value:
        value = seen[expect.subject]
        shown = "not known" if value is None else say(value)
        yield f"{expect.subject} is {shown}, was {say(expect.value)} when this was planned"


def _seen(facts: NodeFacts) -> dict[str, Any]:
    found: dict[str, Any] = {f"firmware/{f.component}": f.version for f in facts.firmware}
    found |= {f"bios/{s.name}": s.value for s in facts.settings}
    for setting in reversed(facts.manager):
        value: Any = setting.value
        value = list(value) if isinstance(value, tuple) else value
        found |= dict.fromkeys((f"bmc/{setting.name}", f"bmc/{setting.name}@{setting.uri}"), value)
    return found


def _otherwise(was: NodePlan | None, node: NodePlan) -> str | None:
    if was is None:
        return f"is new: {_fate(node)}"
    if was.fate is not node.fate or was.reason != node.reason:
        return f"{_fate(node)}; was {_fate(was)}"
    old, new = [step.text for step in was.steps], [step.text for step in node.steps]
    if old == new:
        return None if was.steps == node.steps else "the same steps, with other details"
    more = [text for text in new if text not in old]
    less = [text for text in old if text not in new]
    told = [*(f"- {text}" for text in less), *(f"+ {text}" for text in more)]
    return "\n".join(["other steps", *told]) if told else "the same steps in another order"


def _fate(node: NodePlan) -> str:
    return f"{node.fate.value} ({node.reason})" if node.reason else node.fate.value
