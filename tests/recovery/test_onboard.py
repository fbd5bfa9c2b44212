"""The way of a candidate, stage by stage: how far, why no further, and what next."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust, PolicyRefused, halves
from iolaus.model.candidate import Appearance, Candidate, Given, Move, Way, appeared
from iolaus.model.endpoint import Target
from iolaus.model.expected import Expected, HandoverWant
from iolaus.recovery.device import must_be_managed
from iolaus.recovery.expected import Shown
from iolaus.recovery.onboard import Rival, Run, Seen, State, judge

ADDRESS = "https://10.0.0.5"
CANDIDATE = Candidate(address=ADDRESS, appeared_at=1.0, seen_at=1.0, ways=(Way.DHCP,))
CLAIMED = msgspec.structs.replace(CANDIDATE, claimed_at=2.0, entry="n1", list="hall-1")
WANT = Expected(
    list="hall-1", name="n1", serial="A1", model="M1", credential="factory", approval="unattended"
)
RIGHT = Shown("A1", "Dell", "M1")
YES = Given(by="ana", at=2.0)


def seen(**given: Any) -> Seen:
    known: dict[str, Any] = {"candidate": CANDIDATE, "expected": WANT, "reach": "reachable"}
    return Seen(**{**known, **given})


def ours(**given: Any) -> Seen:
    known: dict[str, Any] = {"candidate": CLAIMED, "shown": RIGHT, "managed": True}
    return seen(**{**known, **given})


def want(**given: Any) -> Expected:
    return msgspec.structs.replace(WANT, **given)


def of(**given: Any) -> Candidate:
    return msgspec.structs.replace(CANDIDATE, **given)


TABLE: list[tuple[Seen, State, str, Move | None, bool]] = [
    (seen(expected=None), State.APPEARED, "Unexpected", None, True),
    (seen(expected=want(credential="")), State.APPEARED, "NoFactoryLogin", None, True),
    (seen(candidate=of(shows="ab" * 32)), State.APPEARED, "CertificateUnknown", None, True),
    (
        seen(candidate=of(shows="ab" * 32, vouched="ab" * 32), reach=None),
        State.APPEARED, "NotTried", Move.LOOK, False,
    ),
    (seen(expected=None, reach=None), State.APPEARED, "NotTried", Move.LOOK, False),
    (
        ours(runs={Move.SECURE: Run(state="done", plan="p", read=True)}),
        State.CLAIMED, "Failed", None, True,
    ),
    (seen(reach=None), State.APPEARED, "NotTried", Move.LOOK, False),
    (seen(reach="unreachable"), State.APPEARED, "Silent", None, True),
    (seen(reach="unauthenticated"), State.APPEARED, "FactoryLoginRefused", None, True),
    (seen(reach="unsupported"), State.APPEARED, "NotRedfish", None, True),
    (seen(), State.APPEARED, "Reading", None, False),
    (seen(shown=Shown()), State.CONFLICT, "NoSerial", None, True),
    (seen(shown=RIGHT, expected=None), State.APPEARED, "Unexpected", None, True),
    (seen(shown=Shown("B1", "", "M1")), State.CONFLICT, "WrongSerial", None, True),
    (seen(shown=Shown("A1", "", "M2")), State.CONFLICT, "WrongModel", None, True),
    (
        seen(shown=Shown("A1", "", "M2"), candidate=of(approved=YES)),
        State.CONFLICT, "WrongModel", None, True,
    ),
    (
        seen(shown=RIGHT, rivals=(Rival(address="x"),)),
        State.CONFLICT, "DuplicateIdentity", None, True,
    ),
    (
        seen(shown=RIGHT, told=True, rivals=(Rival(address="x"),)),
        State.IDENTIFIED, "Claiming", Move.CLAIM, False,
    ),
    (
        seen(shown=RIGHT, told=True, rivals=(Rival(address="x", told=True),)),
        State.CONFLICT, "DuplicateIdentity", None, True,
    ),
    (
        seen(shown=RIGHT, expected=want(address="https://10.0.0.9")),
        State.CONFLICT, "WrongAddress", None, True,
    ),
    (
        seen(shown=RIGHT, expected=want(approval="each")),
        State.AWAITING_APPROVAL, "AwaitingApproval", None, True,
    ),
    (
        seen(shown=RIGHT, expected=want(approval="each"), candidate=of(approved=YES)),
        State.IDENTIFIED, "Claiming", Move.CLAIM, False,
    ),
    (
        seen(shown=RIGHT, expected=want(approval="list"), list_approved=True),
        State.IDENTIFIED, "Claiming", Move.CLAIM, False,
    ),
    (
        seen(shown=RIGHT, expected=want(approval="each"), list_approved=True),
        State.AWAITING_APPROVAL, "AwaitingApproval", None, True,
    ),
    (seen(candidate=of(rejected=YES), shown=RIGHT), State.REJECTED, "Rejected", None, True),
    (ours(managed=False), State.IDENTIFIED, "Claiming", Move.CLAIM, False),
    (ours(), State.CLAIMED, "GivingPassword", Move.SECURE, False),
    (ours(rivals=(Rival(address="x"),)), State.CLAIMED, "GivingPassword", Move.SECURE, False),
    (ours(shown=Shown("B1", "", "M1")), State.CONFLICT, "WrongSerial", None, True),
    (ours(reach="unreachable"), State.CLAIMED, "Silent", None, True),
    (
        ours(runs={Move.SECURE: Run(state="running", plan="p")}),
        State.CLAIMED, "GivingPassword", None, False,
    ),
    (
        ours(runs={Move.SECURE: Run(state="waiting", plan="p", reason="approvals")}),
        State.CLAIMED, "Waiting", None, False,
    ),
    (
        ours(runs={Move.SECURE: Run(state="failed", plan="p", reason="no")}),
        State.CLAIMED, "Failed", None, True,
    ),
    (
        ours(runs={Move.SECURE: Run(state="done", plan="p")}),
        State.CLAIMED, "ReadingAgain", None, False,
    ),
    (
        ours(credentialed=True, expected=want(authority="ca")),
        State.CREDENTIALED, "Certifying", Move.SECURE, False,
    ),
    (
        ours(credentialed=True, certified=True, expected=want(authority="ca", baseline="b")),
        State.CERTIFIED, "Comparing", None, False,
    ),
    (
        ours(credentialed=True, expected=want(baseline="b"), missing="there is none"),
        State.CREDENTIALED, "NoBaseline", None, True,
    ),
    (
        ours(credentialed=True, expected=want(baseline="b"), departures=3),
        State.CREDENTIALED, "Mending", Move.BASELINE, False,
    ),
    (
        ours(credentialed=True, expected=want(attest=True)),
        State.AT_BASELINE, "AwaitingAttestation", None, False,
    ),
    (
        ours(credentialed=True, expected=want(attest=True), attested=False),
        State.AT_BASELINE, "NotTrusted", None, True,
    ),
    (
        ours(credentialed=True, expected=want(attest=True), attested=True),
        State.VERIFIED, "Finishing", Move.FINISH, False,
    ),
    (
        ours(credentialed=True, expected=want(handover=HandoverWant(to="pxe"))),
        State.AT_BASELINE, "HandingOver", Move.HAND_OVER, False,
    ),
    (
        ours(credentialed=True, expected=want(handover=HandoverWant(to="metal3"))),
        State.AT_BASELINE, "AwaitingExport", None, True,
    ),
    (
        ours(credentialed=True, expected=want(handover=HandoverWant(to="ironic", url="http://i"))),
        State.AT_BASELINE, "Registering", Move.REGISTER, False,
    ),
    (
        ours(candidate=msgspec.structs.replace(CLAIMED, handed_at=3.0)),
        State.HANDED_OVER, "Done", None, False,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "state", "reason", "move", "stands"), TABLE)
def test_each_stage(
    given_: Seen, state: State, reason: str, move: Move | None, stands: bool
) -> None:
    found = judge(given_)
    assert (found.state, found.reason, found.move, found.stands) == (state, reason, move, stands)
    assert not found.stands or found.next_step
    assert not (found.stands and found.move)


@settings(max_examples=300)
@given(
    serial=st.sampled_from(["A1", "B1", ""]),
    model=st.sampled_from(["M1", "M2"]),
    claimed=st.booleans(),
    approved=st.booleans(),
    rivals=st.lists(st.builds(Rival, address=st.just("x"), told=st.booleans()), max_size=2),
    told=st.booleans(),
    reach=st.sampled_from([None, "reachable", "unreachable", "unauthenticated"]),
    approval=st.sampled_from(["each", "list", "unattended"]),
)
def test_nobody_is_claimed_who_is_not_who_was_expected(
    serial: str,
    model: str,
    claimed: bool,
    approved: bool,
    rivals: list[Rival],
    told: bool,
    reach: str | None,
    approval: str,
) -> None:
    candidate = of(claimed_at=2.0 if claimed else None, approved=YES if approved else None)
    found = judge(
        seen(
            candidate=candidate,
            shown=Shown(serial, "", model),
            rivals=tuple(rivals),
            told=told,
            reach=reach,
            expected=want(approval=approval),
        )
    )
    if found.move in (Move.CLAIM, Move.SECURE, Move.BASELINE, Move.HAND_OVER):
        assert (serial, model) == ("A1", "M1")
        assert claimed or approved or approval == "unattended"


def test_an_address_with_another_mac_is_another_machine() -> None:
    first = appeared(None, Appearance(address=ADDRESS, way=Way.DHCP, at=1.0, mac="a" * 12))
    known = msgspec.structs.replace(first, approved=YES)
    again = appeared(known, Appearance(address=ADDRESS, way=Way.SCAN, at=2.0))
    assert (again.approved, again.ways, again.mac) == (YES, (Way.DHCP, Way.SCAN), "a" * 12)
    other = appeared(again, Appearance(address=ADDRESS, way=Way.DHCP, at=3.0, mac="b" * 12))
    assert (other.approved, other.appeared_at) == (None, 3.0)


def test_why_it_failed_and_what_to_do_are_two_things() -> None:
    told = OperatorMust("it is gone", operation="plan", subject="x", next_step="make one.")
    seen = ours(runs={Move.SECURE: Run(state="failed", plan="p", reason=str(told))})
    found = judge(seen)
    assert found.message == told.what == "plan x: it is gone"
    assert found.next_step.startswith("make one; then: iolaus onboard retry")
    assert halves("no more is known") == ("no more is known", "")


def test_what_may_only_be_read_says_how_that_is_changed() -> None:
    with pytest.raises(PolicyRefused, match="outlet 3: its endpoint pdu-1 may only be read"):
        must_be_managed(
            Target(address="10.0.0.1", name="pdu-1"), what="outlet 3", operation="cut", node="n1"
        )
