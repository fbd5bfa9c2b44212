"""The chain: what is changed, removed or inserted shows; what cannot show is not claimed."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust
from iolaus.model.audit import Entry, Head, Record, next_entry, parse_head, verify


def chain(count: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(1, count + 1):
        last = entries[-1] if entries else None
        head = Head(number=last.number, digest=last.digest) if last else None
        record = Record(who="ana", what="note", subject=f"PUT /{number}", detail="{}")
        entries.append(next_entry(record, head, at_ms=number))
    return entries


def head(entry: Entry) -> Head:
    return Head(number=entry.number, digest=entry.digest)


CHANGES = {"who": "eve", "what": "ask", "subject": "x", "detail": "", "at_ms": 7_000, "number": 99}


def test_a_chain_holds_to_its_end() -> None:
    found = verify(chain(5), [head(chain(5)[3])])
    assert (found.whole, found.entries, found.head) == (True, 5, head(chain(5)[4]))
    assert verify([]).whole


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 8), st.data())
def test_whatever_one_entry_says_otherwise_shows(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    at = data.draw(st.integers(0, count - 1))
    field = data.draw(st.sampled_from([*CHANGES, "before", "digest"]))
    value = CHANGES.get(field, "f" * 64)
    entries[at] = msgspec.structs.replace(entries[at], **{field: value})
    found = verify(entries)
    assert not found.whole
    assert entries[at].number in {b.number for b in found.breaks} or field == "number"


@settings(max_examples=100, deadline=None)
@given(st.integers(2, 8), st.data())
def test_a_removed_moved_or_inserted_entry_shows(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    at = data.draw(st.integers(0, count - 2))
    how = data.draw(st.sampled_from(["remove", "swap", "repeat", "forge"]))
    if how == "remove":
        del entries[at]
    elif how == "swap":
        entries[at], entries[at + 1] = entries[at + 1], entries[at]
    elif how == "repeat":
        entries.insert(at, entries[at])
    else:
        record = Record(who="eve", what="note", subject="x")
        entries.insert(at + 1, next_entry(record, head(entries[at]), at_ms=1))
    assert not verify(entries).whole


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 8), st.data())
def test_a_cut_end_shows_only_against_a_kept_head(count: int, data: st.DataObject) -> None:
    entries = chain(count)
    left = data.draw(st.integers(0, count - 1))
    assert verify(entries[:left]).whole, "a chain alone cannot prove that it was longer"
    kept = data.draw(st.integers(0, count - 1))
    found = verify(entries[:left], [head(entries[kept])])
    assert found.whole == (kept < left)
    assert found.whole or found.breaks[0].code == "Truncated"


def test_a_log_written_anew_shows_against_a_kept_head() -> None:
    old, last = chain(4), None
    forged = []
    for number in range(4):
        record = Record(who="eve", what="note", subject="all is well")
        forged.append(next_entry(record, last, at_ms=number))
        last = head(forged[-1])
    assert verify(forged).whole
    assert [b.code for b in verify(forged, [head(old[1])]).breaks] == ["HeadDiffers"]


def test_a_request_without_an_answer_is_named() -> None:
    first = next_entry(Record(who="a", what="ask", subject="PUT /x"), None, at_ms=0)
    second = next_entry(Record(who="a", what="ask", subject="PUT /y"), head(first), at_ms=0)
    answer = Record(who="a", what="answer", subject="PUT /y", detail='{"ask": 2}')
    third = next_entry(answer, head(second), at_ms=0)
    assert verify([first, second, third]).unanswered == (1,)


def test_the_digest_can_be_computed_with_other_tools() -> None:
    """`printf '[1,0,"ä","note","s","","000..."]' | sha256sum`"""
    entry = next_entry(Record(who="ä", what="note", subject="s"), None, at_ms=0)
    assert entry.digest == "69f135a7d41d2bbb922a575840f0a63a746e30a60d29c14069db7ade16bb6861"


@pytest.mark.parametrize("text", ["", "1", "1:abc", "x:" + "0" * 64, "1:" + "g" * 64])
def test_what_is_no_head_is_refused(text: str) -> None:
    with pytest.raises(OperatorMust, match="not a head"):
        parse_head(text)
    assert parse_head("3:" + "A" * 64) == Head(number=3, digest="a" * 64)
