"""One endpoint's own login: the password in force, the one that is coming, and what may still work.

A password is never sent before it stands here, and never forgotten before another was proved: so
whatever a device made of a write that nobody saw answered, the password that it takes is one of
these. Every change is one value that replaces another; the store writes it whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from iolaus.model.credential import AccountPolicy, CredentialFact

MOST_SPARE: Final = 6
AGAIN_S: Final = 86_400.0
CANDIDATE_AGAIN_S: Final = 60.0
"""Some controllers put a password into force a while after they took it."""


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A BMC account, shaped like the transport's `Credential`."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login(user={self.user!r}, password=...)"


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """A login that the device would not take at a time (seconds since 1970)."""

    login: Login
    at: float


class Own(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`login` is what the device is believed to take, and `user` the account that is ours: they
    differ in name where a device `fell` back to its maker's account. `stands_for` is the named
    credential that it replaced ("": none). `candidate` was kept before it was sent. `spare` are
    logins that may still work, the newest first; `refused` are those that the device has refused
    since it was last let in. `old` says what became of the former password; `proofs` are our
    clock's times (seconds since 1970)."""

    login: Login
    user: str
    stands_for: str = ""
    number: int = 0
    since: float | None = None
    candidate: Login | None = None
    spare: tuple[Login, ...] = ()
    refused: tuple[Refusal, ...] = ()
    fallen: bool = False
    old: str = ""
    policy: AccountPolicy = AccountPolicy()

    def fact(self) -> CredentialFact:
        return CredentialFact(
            user=self.user,
            number=self.number,
            since=self.since,
            fallen=self.fallen,
            pending=self.candidate is not None,
            old=self.old,
        )

    def staged(self, candidate: Login, policy: AccountPolicy) -> Own:
        """A new password is about to be sent. One that was sent before it may be in force."""
        spare = self.spare
        if self.candidate is not None and self.candidate != candidate:
            spare = (self.candidate, *spare)
        refused = tuple(each for each in self.refused if each.login != candidate)
        return _changed(self, candidate=candidate, policy=policy, spare=spare, refused=refused)

    def withdrawn(self) -> Own:
        """The device would not have it; should it have lied, it is among the spare ones."""
        if self.candidate is None:
            return self
        return _changed(self, candidate=None, spare=(self.candidate, *self.spare))

    def promoted(self, at: float) -> Own:
        """The candidate let us in: it is the login now, and the former one is spare."""
        if self.candidate is None:
            return self
        return _changed(
            self,
            login=self.candidate,
            candidate=None,
            number=self.number + 1,
            since=at,
            spare=(self.login, *self.spare),
            refused=(),
            fallen=False,
            old="",
        )

    def buried(self, old: str, *, dead: bool) -> Own:
        """What became of the former password; where it is dead nothing spare is needed."""
        return _changed(self, old=old, spare=() if dead else self.spare)

    def fell(self, login: Login) -> Own:
        """Another login let us in. The wanted one may come back; a candidate may too."""
        if login == self.login:
            candidates = tuple(each for each in self.refused if each.login == self.candidate)
            return _changed(self, refused=candidates)
        before = (self.login,) if self.candidate is None else (self.candidate, self.login)
        spare = (*before, *(each for each in self.spare if each != login))
        return _changed(
            self, login=login, candidate=None, spare=spare, refused=(), fallen=True, old=""
        )

    def turned_away(self, login: Login, at: float) -> Own:
        others = (each for each in self.refused if each.login != login)
        return _changed(self, refused=(*others, Refusal(login=login, at=at)))

    def forgiven(self) -> Own:
        """The device lets us in again: what it refused may be tried again one day."""
        return _changed(self, refused=())


class Chance(NamedTuple):
    """A login that may work, and what it is called in a report."""

    login: Login
    what: str


def chances(own: Own, others: Sequence[Chance], *, now: float) -> list[Chance]:
    """What may let us in, the likeliest first, each once. What was refused is left out for as
    long as a failure counts, where the device says how long that is, and else for a day (an
    account that somebody else had locked refused the right one, too); then it comes again, behind
    all that was not refused. `others` are the named credential that it stands for and the
    maker's."""
    found = [Chance(own.candidate, "the new password")] if own.candidate else []
    found.append(Chance(own.login, "the password in force"))
    found += [Chance(each, "a former password") for each in own.spare]
    refused = {each.login: each.at for each in own.refused}
    fresh: list[Chance] = []
    again: list[Chance] = []
    for chance in (*found, *others):
        if any(chance.login == each.login for each in (*fresh, *again)):
            continue
        at = refused.get(chance.login)
        if at is None:
            fresh.append(chance)
        elif now - at >= _again_s(own, chance.login):
            again.append(chance)
    return fresh + sorted(again, key=lambda each: refused[each.login])


def _again_s(own: Own, login: Login) -> float:
    if login == own.candidate:
        return CANDIDATE_AGAIN_S
    return AGAIN_S if own.policy.window_s is None else own.policy.window_s


def _changed(own: Own, **fields: object) -> Own:
    made = msgspec.structs.replace(own, **fields)
    spare: list[Login] = []
    for each in made.spare:
        if each not in spare and each not in (made.login, made.candidate):
            spare.append(each)
    return msgspec.structs.replace(made, spare=tuple(spare[:MOST_SPARE]))
