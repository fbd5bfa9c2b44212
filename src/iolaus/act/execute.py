"""One node's run: its steps in order, or back again in the reverse order.

It ends with one entry that says what became of the node. Between two steps it stops when the
roll-out is no longer running, and says nothing: whoever goes on finds the node as it is.
"""

from __future__ import annotations

from typing import Final

from msgspec import UNSET

from iolaus.act.aim import back, forth
from iolaus.act.book import Book
from iolaus.act.entries import NodeSaid
from iolaus.act.fold import Phase, Way
from iolaus.act.pursue import Ending, Pursuit, Tools
from iolaus.model.plan import NodePlan, Step, Verb
from iolaus.model.rollout import EntryKind, NodeState

HARMLESS: Final = frozenset(
    {Verb.DRAIN, Verb.UNDRAIN, Verb.WAIT_HEALTHY, Verb.GATHER, Verb.RECOVER}
)
"""Silence after one of these is no lost node: nothing was done to the device, or it was lost
before."""


async def run_node(node: NodePlan, *, book: Book, tools: Tools) -> None:
    """Whatever is to be done with it by its state. Raises `Interrupted`."""
    if book.state_of(node.uid) is NodeState.RUNNING:
        await _go_forth(node, book, tools)
    if book.state_of(node.uid) is NodeState.ROLLING_BACK:
        await _go_back(node, book, tools)


async def _go_forth(node: NodePlan, book: Book, tools: Tools) -> None:
    for step in node.steps:
        ending = await Pursuit(forth(step), node, book=book, tools=tools).run()
        if ending.stopped:
            return
        if not ending.done and step.rung is UNSET:
            _failed(node, step, ending, book)
            return
    _become(node, book, NodeSaid(state=NodeState.DONE))


def _failed(node: NodePlan, step: Step, ending: Ending, book: Book) -> None:
    """A node that does not drain in time may be left for another day, as it was before."""
    reason = f"{step.text}: {ending.reason}"
    rule = book.plan.drain
    if step.action.verb is Verb.DRAIN and rule is not None and rule.on_timeout == "skip":
        said = NodeSaid(state=NodeState.ROLLING_BACK, reason=reason, into=NodeState.SKIPPED)
    else:
        said = NodeSaid(state=_end_state(node, ending, book), reason=reason)
    _become(node, book, said)


async def _go_back(node: NodePlan, book: Book, tools: Tools) -> None:
    """Undo what was begun here: what was so already is not ours to undo."""
    account, stays = book.account, []
    for step in reversed(node.steps):
        went = account.passed(step.id, Way.FORTH)
        if not went.attempt:
            continue
        if step.undo is None:
            stays.append(step.text)
            continue
        aim = back(step, step.undo, phase=went.phase)
        ending = await Pursuit(aim, node, book=book, tools=tools).run()
        if not ending.done:
            state = _end_state(node, ending, book)
            said = NodeSaid(state=state, reason=f"not undone, {step.text}: {ending.reason}")
            _become(node, book, said)
            return
    into = account.into.get(node.uid, NodeState.ROLLED_BACK)
    reason = account.nodes[node.uid].reason
    if stays and into is NodeState.ROLLED_BACK:
        reason = "; ".join([*([reason] if reason else []), f"stays: {', '.join(stays)}"])
    _become(node, book, NodeSaid(state=into, reason=reason))


def _end_state(node: NodePlan, ending: Ending, book: Book) -> NodeState:
    """Lost: no answer after a change."""
    changed = any(
        book.account.passed(step.id, Way.FORTH).attempt and step.action.verb not in HARMLESS
        for step in node.steps
    )
    return NodeState.LOST if ending.silent and changed else NodeState.FAILED


def _become(node: NodePlan, book: Book, said: NodeSaid) -> None:
    book.note(book.entry(EntryKind.NODE_STATE, said, node=node.uid))


def is_open(node: NodePlan, book: Book) -> bool:
    """A step was begun and not brought to its end."""
    return any(_phase(step, book).begun for step in node.steps)


def _phase(step: Step, book: Book) -> Phase:
    return book.account.passed(step.id, Way.FORTH).phase
