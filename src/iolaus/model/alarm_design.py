"""Suppression by design (ISA-18.2, clause 3.1: designed suppression): what an operator writes down
beforehand of when an alarm tells nothing that anybody has to act on.

A rule hides alarms of some codes while a condition holds, until a moment, or both; it never runs
for ever. What is hidden stays in the list with the rule's name, and rings when the rule no longer
holds. What is unknown does not hold, so doubt rings. Codes that are critical or latch are left to
people, who may shelve them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from iolaus.model.alarm import AlarmKind, Priority
from iolaus.model.alarm_routes import AlarmRoutesDocument, Code, Word
from iolaus.model.desired import Metadata, NodeSelector, Wanted

BY_DESIGN: Final = "design/"
"""Before the name of the rule, in `hidden_by`."""
Why = Annotated[str, Meta(min_length=1, max_length=400, description="For whoever misses the alarm")]
Moment = Annotated[datetime, Meta(tz=True, description="such as 2026-12-01T06:00:00Z")]


class WhenWant(Wanted, frozen=True, kw_only=True):
    """All that is written must hold: the node is drained; a roll-out or a recovery works on it;
    an alarm of this code stands at the same endpoint or in the same rack; `node` selects it by
    what is read of it now (`power_state=Off`)."""

    drained: bool = False
    changing: bool = False
    alarm: Code | None = None
    node: str = ""

    @property
    def says_nothing(self) -> bool:
        return self == WhenWant()


class SuppressWant(Wanted, frozen=True, kw_only=True):
    """Alarms of these codes whose labels are selected (no selector: everywhere)."""

    name: Word
    why: Why
    codes: Annotated[list[Code], Meta(min_length=1)]
    selector: NodeSelector = NodeSelector()
    when: WhenWant = WhenWant()
    until: Moment | None = None


class SuppressionSpec(Wanted, frozen=True, kw_only=True):
    rules: list[SuppressWant] = []


class AlarmSuppressionDocument(Wanted, frozen=True, kw_only=True):
    api_version: Literal["iolaus.dev/v1"]
    kind: Literal["AlarmSuppression"]
    metadata: Metadata
    spec: SuppressionSpec = SuppressionSpec()


DOCUMENTS: Final[Mapping[str, type[Wanted]]] = {
    "AlarmRoutes": AlarmRoutesDocument,
    "AlarmSuppression": AlarmSuppressionDocument,
}
OWN_CHANGES: Final = SuppressWant(
    name="own-changes",
    why="a change of ours restarts the controller or the host, and waits for it to come back",
    codes=["DeviceSilent", "HostHung"],
    when=WhenWant(changing=True),
)
"""Always there: a roll-out over thousands of nodes is no flood of alarms."""


def may_be_designed(kind: AlarmKind) -> bool:
    return kind.priority is not Priority.CRITICAL and not kind.latching


def alarms_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a document of `alarms.yaml`."""
    kinds, parts = msgspec.json.schema_components(DOCUMENTS.values(), ref_template="#/$defs/{name}")
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {**head, "anyOf": list(kinds), "$defs": parts}
