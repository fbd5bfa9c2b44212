"""The model of the chaos tests finds what it is there for."""

from __future__ import annotations

from tests.app.cluster.history import Hold, Write, doubled, lost, undone, unfenced


def test_what_was_acknowledged_last_or_asked_for_later_may_be_there() -> None:
    writes = [
        Write("a", "1", True),
        Write("a", "2", False),
        Write("a", "3", True),
        Write("a", "4", False),
        Write("b", "1", False),
    ]
    assert lost(writes, {"a": "3"}) == lost(writes, {"a": "4", "b": "1"}) == []
    for wrong in ({"a": "1"}, {"a": "2"}, {}):
        assert len(lost(writes, wrong)) == 1


def test_effects_are_as_many_as_were_asked_and_called_done() -> None:
    assert doubled({"d": 2, "e": 1}, {"d": 2, "e": 1}) == []
    assert doubled({"d": 3, "e": 1}, {"d": 2}) == ["d: 3 effects, 2 asked", "e: 1 effects, 0 asked"]
    assert undone({"d": 1}, {"d": 1}) == []
    assert undone({"d": 1}, {"d": 2, "e": 1}) == [
        "d: 2 are called done, 1 were",
        "e: 1 are called done, 0 were",
    ]


def test_an_epoch_has_one_holder_and_never_falls() -> None:
    good = [Hold("s", "a", 1), Hold("t", "b", 1), Hold("s", "a", 1), Hold("s", "b", 2)]
    assert unfenced(good) == []
    assert len(unfenced([*good, Hold("s", "a", 2)])) == 1
    assert len(unfenced([*good, Hold("s", "b", 1)])) == 1
