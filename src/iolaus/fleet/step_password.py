"""The step of a new password. The plan says whose, and never the password: that is made when it is
done, and no plan, journal or receipt ever holds it.

There is no way back: what is undone elsewhere keeps the new password, which works.
"""

from __future__ import annotations

from collections.abc import Iterator

from iolaus.fleet.facts import NodeFacts
from iolaus.fleet.step import REACHABLE, Draft, step
from iolaus.fleet.work import Halt, NewPassword, Work
from iolaus.kernel.errors import OperatorMust
from iolaus.model.credential import ACCEPTED, MAY_TRY, OLD, ROTATED
from iolaus.model.plan import Action, Asked, Expect, Fate, Op, Verb


def check_rotate(asked: Asked) -> None:
    """It takes no words. Raises `OperatorMust`."""
    if asked.arguments:
        raise OperatorMust(
            f"rotate takes no {min(asked.arguments)!r}",
            operation="plan",
            subject="what is asked",
            code="BadRequest",
            next_step="leave it out: the password is made when it is given.",
        )


def say_rotate(asked: Asked) -> str:
    del asked
    return "a new password"


def rotate_course(facts: NodeFacts, asked: Asked) -> tuple[Draft, ...] | Halt:
    """Whatever the age of the present one. Pure."""
    del asked
    login = facts.credential
    if not facts.answers:
        return Halt(Fate.NO_OP, "the login is its controller's, for which another asset stands")
    if login is None:
        return Halt(Fate.BLOCKED, "no login is kept for it")
    return (_give(NewPassword(login.user, login.number + 1)),)


def password_drafts(work: Work) -> Iterator[Draft]:
    if work.password is not None:
        yield _give(work.password)


def _give(password: NewPassword) -> Draft:
    user, number = password
    return Draft(
        "rotate-credential",
        step(
            Action(
                verb=Verb.ROTATE_CREDENTIAL,
                subject=f"credential/{user}",
                arguments={"user": user, "number": number},
            ),
            f"Give {user} a new password",
            before=(
                Expect(subject=ROTATED, op=Op.IS, value=number - 1),
                Expect(subject=MAY_TRY, op=Op.IS, value=True),
                *REACHABLE,
            ),
            after=(
                Expect(subject=ROTATED, op=Op.IS, value=number),
                Expect(subject=OLD, op=Op.IS_NOT, value=ACCEPTED),
                *REACHABLE,
            ),
            attempts=3,
        ),
    )
