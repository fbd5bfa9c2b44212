"""A doubt is raised once, settled by an inventory, and not raised again at every word."""

from __future__ import annotations

from iolaus.observe.doubts import Doubts

A = "https://a"


def test_a_doubt_lasts_until_it_is_settled_and_comes_again_only_after_a_while() -> None:
    doubts = Doubts()
    doubts.unmet.add(A)
    assert not doubts.judge(A, "", now_s=0.0, again_s=100.0)
    assert A not in doubts.unmet
    assert doubts.judge(A, "another serial", now_s=1.0, again_s=100.0)
    assert doubts.is_open(A)
    assert not doubts.judge(A, "another serial", now_s=2.0, again_s=100.0), "it is under way"
    doubts.settle(A)
    assert not doubts.is_open(A)
    assert not doubts.judge(A, "another serial", now_s=50.0, again_s=100.0)
    assert not doubts.is_open(A), "what it says is taken: it was read whole a moment ago"
    assert doubts.judge(A, "another serial", now_s=101.0, again_s=100.0)
    assert not doubts.judge(A, "", now_s=102.0, again_s=100.0)
    assert not doubts.is_open(A), "it is the one that was read after all"


def test_what_is_forgotten_is_doubted_as_for_the_first_time() -> None:
    doubts = Doubts()
    assert doubts.judge(A, "another serial", now_s=1.0, again_s=100.0)
    doubts.forget(A)
    assert not doubts.is_open(A)
    assert doubts.judge(A, "another serial", now_s=2.0, again_s=100.0)
