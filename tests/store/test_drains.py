"""Drains and what people said of them, on SQLite and PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import msgspec

from iolaus.store.database import Database
from iolaus.store.drains import KeptDrain, KeptMark, StoredDrains


def drain(uid: str = "u1", **fields: object) -> KeptDrain:
    kept = KeptDrain(uid=uid, name=f"n-{uid}", adapter="people", reason="pump", by="kim", at=1.0)
    return msgspec.structs.replace(kept, **fields)


async def test_they_are_kept_with_the_last_word_and_go_together(anywhere: Path | str) -> None:
    database = Database(anywhere)
    database.open()
    kept = StoredDrains(database)
    begun = drain(receipt={"did": ["drain"]}, phase="drained", remaining=("7",))
    for each in (drain("u2"), drain(), begun):
        await kept.put(each)
    assert await kept.all() == (begun, drain("u2"))
    assert await kept.get("u1") == begun
    assert await kept.get("u3") is None
    for word in ("refused", "done"):
        await kept.say("u1", begun.mark, KeptMark(word=word, by="lee", note="", at=2.0))
    await kept.say("u1", "plan 7f", KeptMark(word="done", by="max", note="n", at=3.0))
    assert (said := await kept.said("u1", "kim: pump")) is not None
    assert (said.word, said.by) == ("done", "lee")
    await kept.remove(begun)
    assert await kept.all() == (drain("u2"),)
    assert await kept.said("u1", begun.mark) is None
    assert await kept.said("u1", "plan 7f") is not None, "of another drain"
    database.close()
