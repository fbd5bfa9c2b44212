from __future__ import annotations

import contextlib
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from iolaus.model.asset import Report
from iolaus.store.packing import pack, unpack
from iolaus.store.sharing import Sharing
from tests.store.made import component, firmware, manager, reading, report, setting


def copy(what: Report) -> Report:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(what), type=Report)


def test_what_did_not_change_is_the_same_object() -> None:
    sharing = Sharing()
    whole = report(
        "https://a",
        components=(component("g0", serial="S"), component("g1")),
        firmware=(firmware("BMC", "1"),),
        settings=(setting("s", 1),),
        manager_settings=(manager("ntp.servers", ("a", "b")),),
        readings=(reading("t", 1.0),),
    )
    first = sharing.share(copy(whole), None)
    second = sharing.share(copy(whole), first)
    assert first == second == whole
    assert second.components is first.components
    assert second.firmware is first.firmware
    other = sharing.share(copy(whole), None)
    assert other.firmware[0] is first.firmware[0]
    assert other.settings[0] is first.settings[0]
    assert second.manager_settings is first.manager_settings
    assert other.manager_settings[0] is first.manager_settings[0]
    assert other.readings[0].uri is first.readings[0].uri
    parts = (component("g0", serial="T"), component("g1"))
    third = sharing.share(copy(msgspec.structs.replace(whole, components=parts)), second)
    assert third.components[0].serial == "T"
    assert third.components[1] is first.components[1]


VALUES = st.one_of(st.booleans(), st.integers(0, 2), st.sampled_from([0.0, 1.0, 2.0]), st.none())


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=8))
def test_equal_is_not_the_same_when_types_differ(pairs: list[tuple[Any, Any]]) -> None:
    sharing, last = Sharing(most=20), None
    for value, staged in pairs:
        mine = msgspec.structs.replace(setting("s", value), staged=staged)
        last = sharing.share(report("https://a", settings=(mine,)), last)
        got = last.settings[0]
        assert (type(got.value), got.value) == (type(value), value)
        assert (type(got.staged), got.staged) == (type(staged), staged)


@given(st.binary(max_size=100))
def test_documents_that_are_not_ours_are_refused_politely(content: bytes) -> None:
    decoder = msgspec.msgpack.Decoder(dict[str, int])
    with contextlib.suppress(ValueError):
        unpack(content, decoder)
    large = {str(n): n for n in range(500)}
    assert unpack(pack(large), decoder) == large
