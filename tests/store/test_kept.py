"""A short list outlives the process, and a spoilt file is told from an empty one."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import OperatorMust, WeErred
from iolaus.store.kept import MOST_BYTES, KeptFile


class Row(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    watts: float = 0.0


def rows(path: Path) -> KeptFile[Row]:
    return KeptFile(path, Row, word="rows", code="RowsUnreadable", next_step="remove it.")


def test_what_was_saved_is_there_again_and_private(tmp_path: Path) -> None:
    kept = rows(tmp_path / "new" / "rows.json")
    assert kept.load() == ()
    kept.save([Row(name="a", watts=1.5), Row(name="b")])
    assert kept.load() == (Row(name="a", watts=1.5), Row(name="b"))
    assert kept.path.read_bytes().startswith(b'{"version":1,"rows":[')
    assert (kept.path.stat().st_mode & 0o777) == 0o600


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'{"version":2,"rows":[]}',
        b'{"version":1,"rows":[{}]}',
        b'{"version":1,"rows":[],"more":1}',
        b" " * (MOST_BYTES + 1),
    ],
)
def test_a_spoilt_file_is_an_error_with_its_name(tmp_path: Path, data: bytes) -> None:
    kept = rows(tmp_path / "rows.json")
    kept.path.write_bytes(data)
    with pytest.raises(OperatorMust) as spoilt:
        kept.load()
    assert (spoilt.value.code, spoilt.value.subject) == ("RowsUnreadable", str(kept.path))


def test_a_place_that_cannot_be_read_or_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OperatorMust):
        rows(tmp_path / "file" / "rows.json").load()
    with pytest.raises(WeErred):
        rows(tmp_path / "file" / "rows.json").save([])


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_any_bytes_are_rows_or_an_error_of_ours(data: bytes) -> None:
    try:
        rows(Path("rows.json")).parse(data)
    except OperatorMust as error:
        assert error.next_step
