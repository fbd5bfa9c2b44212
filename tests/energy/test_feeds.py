"""When a feed counts as lost for everybody."""

from __future__ import annotations

from iolaus.energy.feeds import FeedVotes
from iolaus.energy.ports import Grade

GOOD, GONE, UNKNOWN = Grade.GOOD, Grade.CRITICAL, Grade.UNKNOWN


def test_one_rack_of_several_may_have_lost_its_own_breaker() -> None:
    votes = FeedVotes()
    assert not votes.say("r1", "a", GOOD)
    assert not votes.say("r2", "a", GOOD)
    assert not votes.say("r1", "a", GONE)
    assert votes.say("r2", "a", GONE)
    assert votes.lost == {"a"}
    assert votes.say("r2", "a", GOOD)
    assert not votes.lost


def test_the_only_one_that_says_anything_is_believed_and_so_is_the_building() -> None:
    votes = FeedVotes()
    assert votes.say("r1", "a", GONE)
    assert votes.say("r2", "a", GOOD)
    assert not votes.lost
    assert votes.say("*", "a", GONE)
    assert votes.say("*", "a", GOOD)


def test_what_is_unknown_changes_nothing() -> None:
    votes = FeedVotes()
    assert not votes.say("r1", "a", UNKNOWN)
    votes.say("r1", "a", GONE)
    assert not votes.say("r1", "a", UNKNOWN)
    assert votes.lost == {"a"}
