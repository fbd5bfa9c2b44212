"""Checkpoints: whatever became of the log since shows, and none can be made up."""

from __future__ import annotations

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust, Unverified
from iolaus.model.audit import Entry, Head, Record, next_entry, verify
from iolaus.trust.checkpoints import (
    Checkpoint,
    proved_heads,
    read_checkpoints,
    read_signer,
    signed_checkpoint,
)

KEY = ed25519.Ed25519PrivateKey.generate()
SIGNER = KEY.public_key().public_bytes_raw().hex()


def chain(count: int, who: str = "ana") -> list[Entry]:
    entries: list[Entry] = []
    head: Head | None = None
    for number in range(count):
        record = Record(who=who, what="ask", subject=str(number))
        entries.append(next_entry(record, head, at_ms=number))
        head = Head(number=entries[-1].number, digest=entries[-1].digest)
    return entries


def checkpoint(entries: list[Entry]) -> Checkpoint:
    last = entries[-1]
    head = Head(number=last.number, digest=last.digest)
    return signed_checkpoint(head, at_ms=last.at_ms, key=KEY)


def heads(*kept: Checkpoint, signer: str | None = SIGNER) -> list[Head]:
    data = b"".join(each.line for each in kept)
    return proved_heads(read_checkpoints(data, subject="kept"), signer=signer, subject="kept")


@given(st.integers(2, 9), st.data())
def test_a_log_that_was_cut_or_written_anew_contradicts_it(count: int, data: st.DataObject) -> None:
    log = chain(count)
    kept = heads(*(checkpoint(log[: n + 1]) for n in range(count)))
    assert verify(log, kept).whole
    cut = log[: data.draw(st.integers(0, count - 1))]
    assert verify(cut).whole
    assert {each.code for each in verify(cut, kept).breaks} == {"Truncated"}
    assert verify(chain(count, who="eve")).whole
    found = verify(chain(count, who="eve"), kept[-1:])
    assert [each.code for each in found.breaks] == ["HeadDiffers"]


@given(st.data())
def test_every_changed_letter_of_one_is_refused(data: st.DataObject) -> None:
    line = bytearray(checkpoint(chain(3)).line.rstrip())
    line[data.draw(st.integers(0, len(line) - 1))] ^= data.draw(st.integers(1, 127))
    try:
        found = read_checkpoints(bytes(line), subject="kept")
        assert proved_heads(found, signer=SIGNER, subject="kept") == heads(checkpoint(chain(3)))
    except OperatorMust as error:
        assert error.next_step


def test_anothers_is_refused_and_without_a_key_each_must_be_signed_as_it_says() -> None:
    own = checkpoint(chain(3))
    with pytest.raises(Unverified, match="another key"):
        heads(own, signer="00" * 32)
    assert heads(own, signer=None) == heads(own)
    with pytest.raises(Unverified, match="not as signed"):
        heads(msgspec.structs.replace(own, at_ms=7), signer=None)


@given(st.binary(max_size=200))
def test_any_bytes_are_checkpoints_or_the_operators_matter(data: bytes) -> None:
    for raw in (data, checkpoint(chain(1)).line + data):
        try:
            read_checkpoints(raw, subject="kept")
        except OperatorMust as error:
            assert error.next_step


def test_a_key_is_read_from_pem_and_from_nothing_else() -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert read_signer(pem, subject="key") == SIGNER
    for wrong in (b"", b"rubbish", pem.replace(b"MCow", b"MCox")):
        with pytest.raises(OperatorMust):
            read_signer(wrong, subject="key")
