"""The age of a password is a fact of ours: too old, not known, or fallen back to another login."""

from __future__ import annotations

from typing import Any

from iolaus.fleet.judge import Judge
from iolaus.model.credential import CredentialFact
from iolaus.model.drift import Outcome
from tests.fleet.build import baseline, node

DAY = 86_400.0
NOW = 1000 * DAY
WANT: dict[str, Any] = {"bmc": {"accounts": {"rotateEvery": "90d"}}}


def judged(login: CredentialFact | None) -> dict[str, Outcome]:
    drift = Judge([baseline(**WANT)]).judge(node(credential=login), now=NOW)
    assert drift is not None
    return {item.subject: item.outcome for item in drift.items}


def test_a_password_is_too_old_from_its_day_on_and_not_before() -> None:
    young = CredentialFact(user="root", number=1, since=NOW - 89 * DAY)
    old = CredentialFact(user="root", number=1, since=NOW - 90 * DAY)
    assert judged(young) == {}
    assert judged(old) == {"credential/age": Outcome.DRIFTED}
    turns = Judge([baseline(**WANT)]).turns_at(node(credential=young), now=NOW)
    assert turns == NOW + DAY


def test_an_age_that_nobody_knows_is_unknown_and_no_login_is_nothing() -> None:
    assert judged(CredentialFact(user="root")) == {"credential/age": Outcome.UNKNOWN}
    assert judged(None) == {}


def test_a_device_that_fell_back_departs() -> None:
    fallen = CredentialFact(user="root", number=1, since=NOW, fallen=True)
    assert judged(fallen) == {"credential/login": Outcome.DRIFTED}
