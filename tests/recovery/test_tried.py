"""What was tried on a node, told from the journal whatever life wrote it."""

from __future__ import annotations

from typing import Any

from iolaus.model.rollout import Entry, EntryKind
from iolaus.recovery.tried import tried


def entry(kind: EntryKind, at: float, step: str | None, **doc: Any) -> Entry:
    return Entry(plan="p", number=1, kind=kind, at=at, epoch=1, node="u", step=step, doc=doc)


def test_each_step_is_told_once_with_what_came_of_it() -> None:
    why = "its host is silent. A person is needed: look at it"
    found = tried(
        [
            entry(EntryKind.NODE_STATE, 0.0, None, state="running"),
            entry(EntryKind.STARTED, 1.0, "evidence"),
            entry(EntryKind.SENT, 2.0, "evidence", outcome="receipt"),
            entry(EntryKind.DONE, 3.5, "evidence"),
            entry(EntryKind.STARTED, 4.0, "nmi"),
            entry(EntryKind.STARTED, 5.0, "nmi"),
            entry(EntryKind.FAILED, 9.0, "nmi", reason=why),
            entry(EntryKind.FAILED, 9.5, "mains", reason="its host is alive"),
            entry(EntryKind.DONE, 9.7, "power-on", already=True),
            entry(EntryKind.STARTED, 10.0, "prove"),
        ]
    )
    assert [(t.step, t.outcome, t.why, t.at, t.took_s) for t in found["u"]] == [
        ("evidence", "done", "", 1.0, 2.5),
        ("nmi", "no-help", "its host is silent", 4.0, 5.0),
        ("mains", "passed-over", "its host is alive", 9.5, None),
        ("power-on", "not-needed", "", 9.7, None),
        ("prove", "under-way", "", 10.0, None),
    ]
