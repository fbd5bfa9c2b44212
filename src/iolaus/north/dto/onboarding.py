"""What is shown of hardware that is expected, of candidates, and of nodes that were retired."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from iolaus.north.dto.views import Age, View


class DifferenceView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as a list says."""

    field: str
    expected: str
    seen: str


class CandidateView(View, frozen=True, kw_only=True):
    """A controller on its way to be ours, or one that is expected and was not seen."""

    state: Annotated[
        str,
        Meta(
            description="How far it came: Expected, Appeared, AwaitingApproval, Identified, "
            "Claimed, Credentialed, Certified, AtBaseline, Verified, HandedOver; Conflict, "
            "Rejected, Retired."
        ),
    ]
    reason: Annotated[str, Meta(description="Why it is no further, in one CamelCase word.")]
    message: Annotated[str, Meta(description="The reason as a sentence.")]
    next_step: Annotated[str, Meta(description="What a person does about it; may be empty.")]
    stands: Annotated[bool, Meta(description="Nothing more happens until a person acts.")]
    address: Annotated[str | None, Meta(description="Where it answers; null: nobody saw it.")]
    expected: Annotated[str, Meta(description="Whom a list expects there; may be empty.")]
    list: Annotated[str, Meta(description="The list that says so.")]
    make: str
    model: str
    serial: Annotated[str, Meta(description="As it shows it, else as the list says.")]
    mac: Annotated[str, Meta(description="Of its lease.")]
    ways: Annotated[tuple[str, ...], Meta(description="dhcp, ssdp, scan, list.")]
    differences: Annotated[
        tuple[DifferenceView, ...], Meta(description="Where it is not as expected.")
    ]
    plans: Annotated[tuple[str, ...], Meta(description="Plans that were made for it, in order.")]
    handover: Annotated[str, Meta(description="To whom it goes.")]
    appeared_at: datetime | None
    age_s: Age


class ExpectedView(View, frozen=True, kw_only=True):
    """A list of expected hardware."""

    approval: Annotated[str, Meta(description="each, list or unattended.")]
    nodes: Annotated[int, Meta(description="How many it expects.")]
    seen: Annotated[int, Meta(description="How many of them were identified.")]
    handed_over: Annotated[int, Meta(description="How many are handed over.")]
    standing: Annotated[int, Meta(description="How many wait for a person.")]
    approved_by: Annotated[str, Meta(description="Who approved it as it is now; may be empty.")]
    generation: int
    source: str
    age_s: Age


class WipedView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was to be wiped."""

    what: str
    outcome: Annotated[str, Meta(description="proved, said, not-offered, failed or not-asked.")]
    detail: str


class RetirementView(View, frozen=True, kw_only=True):
    """What was wiped of a node when it was retired, signed."""

    node: str
    plan: str
    serial: str
    make: str
    model: str
    address: str
    state: Annotated[str, Meta(description="proved: all that was asked for; else partly.")]
    by: str
    items: tuple[WipedView, ...]
    signature: Annotated[str, Meta(description="Base64, Ed25519 over the record.")]
    key: Annotated[str, Meta(description="The public key in hex; see docs/onboarding.md.")]
    retired_at: datetime | None
    age_s: Age
