"""A plan as the text that a person reviews before they put their name to it.

What changes and where comes first, then who is left out and why, then the waves with what they may
take down, the rules, what cannot be undone, and last the very steps, once for all nodes that take
the same ones. Everything is said of the plan and nothing of the world, so the same plan reads the
same for ever; what has changed since is `changed.what_changed`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from textwrap import wrap
from typing import Final

from msgspec import UNSET

from iolaus.fleet.asked import say_asked
from iolaus.fleet.judge import say
from iolaus.fleet.judge_certificate import SUBJECT
from iolaus.fleet.plan_words import count, say_at, say_duration, say_kind, say_rules
from iolaus.fleet.step_certificate import INSTALL, REQUEST
from iolaus.fleet.topology import KINDS
from iolaus.model.hosts import say_hosts
from iolaus.model.plan import Action, Domain, Fate, NodePlan, Plan, Step, Verb, Wave, takes_s
from iolaus.model.recovery import ASKED as RECOVER

WIDTH: Final = 100
MOST_SHAPES: Final = 12
_UNDOABLE: Final = frozenset(
    {Verb.UPDATE, Verb.SET_BIOS, Verb.SET_MANAGER, Verb.SET_BOOT, Verb.ROTATE_CREDENTIAL,
     Verb.RENEW_CERTIFICATE}
)  # fmt: skip
"""Verbs that leave something behind which an undo would have to put back."""
_FATES: Final = {
    Fate.UPDATE: "to be updated",
    Fate.NO_OP: "left as they are",
    Fate.NO_IMAGE: "without an image",
    Fate.BLOCKED: "blocked",
}


def plan_text(plan: Plan) -> str:
    """At most 100 columns, ending with a line break. Pure."""
    sections = [
        _heading(plan),
        _section("What changes", _changes(plan)),
        _section(f"Nodes: {len(plan.nodes):,} selected", _fates(plan)),
        _section("Waves", _waves(plan)),
        _section("Rules", _rules(plan)),
        _section("How it is proved", _proofs(plan)),
        _section("What cannot be undone", _lasting(plan)),
        _section("Steps", _shapes(plan)),
    ]
    return "\n\n".join("\n".join(each) for each in sections if each) + "\n"


def _section(title: str, lines: Iterable[str]) -> list[str]:
    found = list(lines)
    return [title, *(f"  {line}".rstrip() for line in found)] if found else []


def _heading(plan: Plan) -> list[str]:
    by = f"by {plan.made_by} " if plan.made_by else ""
    lines = [
        f"Plan {plan.id}",
        _purpose(plan),
        f"  made {by}at {say_at(plan.made_at)}",
    ]
    lines += [f"  replaces plan {plan.parent}"] if plan.parent else []
    if going := _going(plan):
        nodes = {node.uid: node for node in going}
        whole_s = sum(_works_s(plan, wave, nodes) + wave.soak_s for wave in plan.waves)
        waves = count(len(plan.waves), "wave")
        open_ = " while the window is open" if plan.window else ""
        does = "goes to" if plan.asked else "updates"
        lines.append(
            f"  {does} {len(going):,} of {count(len(plan.nodes), 'node')} in {waves}, in "
            f"{_about(plan)} {say_duration(whole_s)}{open_}"
        )
    if approvals := [f"{each.count} of {each.group}" for each in plan.approvals]:
        lines.append(f"  needs approval by {', '.join(approvals)}")
    return lines


def _recovers(plan: Plan) -> bool:
    return plan.asked is not UNSET and plan.asked.kind == RECOVER


def _about(plan: Plan) -> str:
    """A recovery ends with the first rung that helps."""
    return "at most" if _recovers(plan) else "about"


def _purpose(plan: Plan) -> str:
    if not plan.asked:
        return f"  brings nodes to {plan.baseline}, generation {plan.generation}"
    rules = plan.asked.rules
    under = f", by the rules of {rules}, generation {plan.generation}" if rules else ""
    return f"  does what was asked: {say_asked(plan.asked)}{under}"


def _going(plan: Plan) -> list[NodePlan]:
    return [node for node in plan.nodes if node.fate is Fate.UPDATE]


# --- what changes -----------------------------------------------------------------------------


def _changes(plan: Plan) -> Iterator[str]:
    if plan.asked and (going := [node.name for node in _going(plan)]):
        yield f"{say_asked(plan.asked)}: {count(len(going), 'node')}"
        yield from (f"    {line}" for line in say_hosts(going, width=WIDTH - 6, most_lines=2))
        return
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for node in _going(plan):
        for cause in dict.fromkeys(c for step in node.steps for c in _causes(step)):
            found[cause].append(node.name)
    if not found:
        yield "Nothing."
        return
    wide = max(len(subject) for subject, _ in found)
    for (subject, change), names in found.items():
        yield f"{subject:<{wide}}  {change}: {count(len(names), 'node')}"
        yield from (f"    {line}" for line in say_hosts(names, width=WIDTH - 6, most_lines=2))


def _causes(step: Step) -> Iterator[tuple[str, str]]:
    """(subject, from what to what)."""
    action = step.action
    if action.verb is Verb.UPDATE:
        change = f"{action.arguments['from']} -> {action.arguments['version']}"
        for component in action.arguments["components"]:
            yield f"firmware/{component}", change
    elif action.verb is Verb.SET_BIOS:
        olds = {e.subject: e.value for e in step.before}
        for name, value in action.arguments["attributes"].items():
            yield f"bios/{name}", f"{_old(olds, f'bios/{name}')} -> {say(value)}"
    elif action.subject == INSTALL:
        yield SUBJECT, f"{action.arguments['was']} -> signed by {action.arguments['authority']}"
    elif action.verb is Verb.SET_MANAGER:
        olds = {e.subject: e.value for e in step.before}
        yield action.subject, f"{_old(olds, action.subject)} -> {say(action.arguments['value'])}"
    elif action.verb is Verb.ROTATE_CREDENTIAL:
        yield action.subject, "a new password"
    for subject in action.arguments.get("staged", ()):
        yield subject, "staged, to become active"


def _old(olds: Mapping[str, object], subject: str) -> str:
    return say(olds[subject]) if subject in olds else "not known"


# --- fates ------------------------------------------------------------------------------------


def _fates(plan: Plan) -> Iterator[str]:
    by_fate: dict[Fate, list[NodePlan]] = defaultdict(list)
    for node in plan.nodes:
        by_fate[node.fate].append(node)
    for fate in Fate:
        if nodes := by_fate[fate]:
            told = "to be done" if plan.asked and fate is Fate.UPDATE else _FATES[fate]
            yield f"{len(nodes):>6,} {told}"
            yield from _reasons(fate, nodes, recovers=_recovers(plan))


def _reasons(fate: Fate, nodes: Iterable[NodePlan], *, recovers: bool) -> Iterator[str]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for node in nodes:
        if node.reason:
            by_reason[node.reason].append(node.name)
    for reason, names in sorted(by_reason.items(), key=lambda pair: (-len(pair[1]), pair[0])):
        aside = "all but what is " if fate is Fate.UPDATE and not recovers else ""
        text = wrap(f"{aside}{reason}", WIDTH - 18, subsequent_indent="  ", break_on_hyphens=False)
        yield f"       {len(names):>6,} {text[0]}"
        yield from (f"              {line}" for line in text[1:])
        if fate is not Fate.NO_OP:
            yield from (f"                {each}" for each in say_hosts(names, width=WIDTH - 18))


# --- waves ------------------------------------------------------------------------------------


def _waves(plan: Plan) -> Iterator[str]:
    nodes = {node.uid: node for node in plan.nodes}
    sizes = Counter(domain for node in plan.nodes for domain in node.domains)
    for number, wave in enumerate(plan.waves, start=1):
        members = [nodes[uid] for uid in wave.nodes]
        at_once = _at_once(plan, wave)
        soak = f", then soaks for {say_duration(wave.soak_s)}" if wave.soak_s else ""
        together = f", at most {at_once} at once" if at_once < len(members) else ""
        yield (
            f"{number}. {wave.name}: {count(len(members), 'node')}{together}, "
            f"{_about(plan)} {say_duration(_works_s(plan, wave, nodes))}{soak}"
        )
        names = [node.name for node in members]
        yield from (f"     {line}" for line in say_hosts(names, width=WIDTH - 7))
        yield from (f"       {line}" for line in _radius(plan, members, sizes, at_once))


def _works_s(plan: Plan, wave: Wave, nodes: Mapping[str, NodePlan]) -> float:
    """Without its soak."""
    times = [nodes[uid].estimate_s or 0.0 for uid in wave.nodes]
    return takes_s(times, at_once=_at_once(plan, wave)) or 0.0


def _at_once(plan: Plan, wave: Wave) -> int:
    bounds = (wave.batch, plan.limits.max_unavailable, len(wave.nodes))
    return max(1, min(each for each in bounds if each is not None))


def _radius(
    plan: Plan, members: Sequence[NodePlan], sizes: Mapping[Domain, int], at_once: int
) -> Iterator[str]:
    """What could be taken down at worst, by failure domain: its reach, and its worst place."""
    touched = Counter(domain for node in members for domain in node.domains)
    for kind in (kind for kind in KINDS if any(d.kind == kind for d in touched)):
        mine = {domain: n for domain, n in touched.items() if domain.kind == kind}
        of = sum(1 for domain in sizes if domain.kind == kind)
        bound = min(at_once, plan.limits.per_domain.get(kind, at_once))
        worst = min(mine, key=lambda d: (-min(mine[d], bound) / sizes[d], d.name))
        yield (
            f"{len(mine)} of {of} {say_kind(kind, of)}: at worst {min(mine[worst], bound)} of "
            f"{sizes[worst]} nodes of {worst.name} away at once"
        )


def _rules(plan: Plan) -> Iterator[str]:
    for what, sentence in say_rules(plan) if plan.waves else ():
        yield f"{what:<8} {sentence}"


# --- how it is proved -------------------------------------------------------------------------


def _proofs(plan: Plan) -> Iterator[str]:
    """Of all firmware that is flashed, where something is known of proving."""
    found: dict[str, list[str]] = defaultdict(list)
    for node in _going(plan):
        for step in node.steps:
            told = step.action.arguments.get("proof", ())
            for part, how in zip(step.action.arguments.get("components", ()), told, strict=False):
                found[f"{part}: {how}"].append(node.name)
    for how, names in sorted(found.items()):
        yield from wrap(f"{how}: {count(len(names), 'node')}", WIDTH - 4, subsequent_indent="    ")


# --- what cannot be undone --------------------------------------------------------------------


def _lasting(plan: Plan) -> Iterator[str]:
    found: dict[str, list[str]] = defaultdict(list)
    for node in _going(plan):
        for step in node.steps:
            if _lasts(step):
                found[_why_lasting(step)].append(node.name)
    for why, names in found.items():
        yield f"{why}: {count(len(names), 'node')}"
        yield from (f"    {line}" for line in say_hosts(names, width=WIDTH - 6, most_lines=2))


def _lasts(step: Step) -> bool:
    """It leaves something behind, and nothing puts back what was there."""
    leaves = step.action.verb in _UNDOABLE and step.action.subject != REQUEST
    return leaves and step.undo is None


def _why_lasting(step: Step) -> str:
    action = step.action
    if action.subject == INSTALL:
        return "the certificate: the key of the old one is gone with it"
    if action.verb is Verb.UPDATE:
        named = ", ".join(action.arguments["components"])
        return f"{named}: no image is known that brings back {action.arguments['from']}"
    if action.verb is Verb.ROTATE_CREDENTIAL:
        return f"the password of {action.arguments['user']}: the old one is not given back"
    if action.subject.partition("@")[0] == "bmc/accounts":
        return "accounts that are removed: their passwords are not known"
    return f"{action.subject}: what it was is not known"


# --- steps ------------------------------------------------------------------------------------


def _shapes(plan: Plan) -> Iterator[str]:
    """Once for all nodes whose steps read the same."""
    shapes: dict[tuple[str, ...], list[NodePlan]] = defaultdict(list)
    for node in _going(plan):
        shapes[tuple(_step_line(step) for step in node.steps)].append(node)
    ranked = sorted(shapes.items(), key=lambda pair: (-len(pair[1]), pair[1][0].name))
    for number, (lines, nodes) in enumerate(ranked[:MOST_SHAPES]):
        names = [node.name for node in nodes]
        if number:
            yield ""
        hosts = say_hosts(names, width=WIDTH - 30, most_lines=1)
        yield f"{hosts[0]}{' ' + hosts[1] if hosts[1:] else ''} ({count(len(names), 'node')}):"
        yield from (f"  {at:>2}. {line}" for at, line in enumerate(lines, start=1))
        estimates = [node.estimate_s for node in nodes if node.estimate_s is not None]
        if estimates:
            yield f"      {_about(plan)} {say_duration(max(estimates))} for each"
    if len(ranked) > MOST_SHAPES:
        yield ""
        yield f"and {len(ranked) - MOST_SHAPES} more lists of steps"


def _step_line(step: Step) -> str:
    if _lasts(step):
        return f"{step.text} (no way back)"
    if step.action.verb is Verb.UPDATE and step.undo is not None:
        return f"{step.text} (way back: {_way_back(step.undo)})"
    return step.text


def _way_back(undo: Action) -> str:
    if undo.verb is Verb.SWITCH_BANK:
        return "the other bank"
    return str(undo.arguments.get("file") or undo.arguments["uri"])
