"""Keys at a console: typed, or asked of us."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from iolaus.north.cli.terminal import Escapes

KEYS = st.text(alphabet="ab~.tTg?\r\n", max_size=40).map(str.encode)


def steps(*pieces: bytes) -> list[tuple[str, bytes]]:
    """What pieces of keys mean; what is typed in a row is one."""
    escapes, found = Escapes(), list[tuple[str, bytes]]()
    for piece in pieces:
        for word, data in escapes.feed(piece):
            if word == "type" and found and found[-1][0] == "type":
                found[-1] = "type", found[-1][1] + data
            else:
                found.append((word, data))
    return found


def test_a_tilde_at_the_beginning_of_a_line_asks_us() -> None:
    assert steps(b"~.") == [("leave", b"")]
    assert steps(b"ls\r~t") == [("type", b"ls\r"), ("take", b"")]
    assert steps(b"~?~T~g") == [("help", b""), ("take over", b""), ("give", b"")]


def test_elsewhere_and_before_other_keys_it_is_a_tilde() -> None:
    assert steps(b"cd ~.\r") == [("type", b"cd ~.\r")]
    assert steps(b"~x") == [("type", b"~x")]
    assert steps(b"~~.") == [("type", b"~.")]


@given(KEYS, st.integers(0, 40))
def test_where_keys_are_split_changes_nothing(keys: bytes, at: int) -> None:
    assert steps(keys) == steps(keys[:at], keys[at:])


@given(KEYS)
def test_nothing_is_typed_that_was_not(keys: bytes) -> None:
    typed = b"".join(data for _, data in steps(keys))
    rest = iter(keys)
    assert all(key in rest for key in typed)
