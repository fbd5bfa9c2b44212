"""The taxonomy: statuses and messages of the field, and any bytes at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust
from iolaus.wire.redfish.errors import (
    Code,
    PropertiesRefused,
    classify,
    is_transient,
    refusal,
    refused_properties,
    retry_after_s,
)


@pytest.mark.parametrize(
    ("status", "message_id", "text", "code", "transient"),
    [
        (401, "", "", Code.AUTHENTICATION_FAILED, False),
        (401, "Base.1.8.GeneralError", "licence expired", Code.LICENSE_MISSING, False),
        (403, "Base.1.8.InsufficientPrivilege", "", Code.FORBIDDEN, False),
        (403, "Base.1.8.PasswordChangeRequired", "", Code.PASSWORD_CHANGE_REQUIRED, False),
        (403, "X.1.0.Lic", "This needs an OOB license.", Code.LICENSE_MISSING, False),
        (404, "Base.1.8.ResourceInUse", "", Code.NOT_FOUND, False),
        (410, "", "", Code.NOT_FOUND, False),
        (503, "Base.1.8.SessionLimitExceeded", "", Code.NO_SESSION_SLOTS, True),
        (503, "X.2.1.0218", "The maximum of sessions is reached", Code.NO_SESSION_SLOTS, True),
        (400, "Base.1.8.CreateLimit", "too many sessions", Code.NO_SESSION_SLOTS, True),
        (503, "", "", Code.BUSY, True),
        (429, "", "", Code.BUSY, True),
        (400, "X.1.Unable", "Unable to modify during POST", Code.TRANSIENT, True),
        (409, "", "", Code.TRANSIENT, True),
        (500, "", "", Code.SERVER_ERROR, True),
        (405, "", "", Code.NOT_SUPPORTED, False),
        (400, "Base.1.8.ActionNotSupported", "", Code.NOT_SUPPORTED, False),
        (501, "", "", Code.NOT_SUPPORTED, False),
        (412, "Base.1.8.ResourceInUse", "", Code.PRECONDITION_FAILED, False),
        (428, "", "", Code.PRECONDITION_REQUIRED, False),
        (400, "Base.1.8.NoOperation", "", Code.ALREADY_SO, False),
        (400, "Base.1.8.PropertyUnknown", "", Code.BAD_REQUEST, False),
        (418, "", "", Code.BAD_REQUEST, False),
        (599, "", "", Code.SERVER_ERROR, True),
    ],
)  # fmt: skip
def test_what_controllers_say(
    status: int, message_id: str, text: str, code: Code, transient: bool
) -> None:
    info = [{"MessageId": message_id, "Message": text}]
    body = json.dumps({"error": {"@Message.ExtendedInfo": info}}).encode()
    error = refusal(status, {}, body, operation="GET", subject="x", now=0)
    assert (error.code, error.status, is_transient(error)) == (code, status, transient)


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"@Message.ExtendedInfo": {"MessageId": "Base.1.0.NoOperation"}}},
        {"@Message.ExtendedInfo": [{"MessageId": "Base.1.0.NoOperation"}]},
        {"error": {"code": "Base.1.0.NoOperation", "message": "m"}},
    ],
)
def test_wherever_the_message_is(body: dict[str, object]) -> None:
    error = refusal(400, {}, json.dumps(body).encode(), operation="GET", subject="x", now=0)
    assert error.code == Code.ALREADY_SO


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "@Message.ExtendedInfo", "MessageId", "Message", "code", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.integers(400, 599), st.binary(max_size=100) | _JUNK.map(lambda v: json.dumps(v).encode()))
def test_any_refusal_is_one_printable_error(status: int, raw: bytes) -> None:
    error = refusal(status, {}, raw, operation="GET", subject="x", now=0)
    assert isinstance(error, DeviceRefused)
    assert error.code in set(Code)
    assert error.message.isprintable()
    assert len(error.message) < 600


@given(st.integers(400, 599), st.lists(st.tuples(st.text(), st.text()), max_size=3))
def test_every_status_has_a_code(status: int, messages: list[tuple[str, str]]) -> None:
    assert classify(status, messages) in set(Code)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30", 30.0),
        (" 1.5 ", 1.5),
        ("99999999", 3600.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 100.0),
        ("Thu, 01 Jan 1960 00:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after(text: str | None, expected: float | None) -> None:
    assert retry_after_s(text, now=0) == expected


@given(st.text(max_size=70))
def test_any_retry_after_is_seconds_or_nothing(text: str) -> None:
    wait_s = retry_after_s(text, now=0)
    assert wait_s is None or 0 <= wait_s <= 3600


def test_silence_passes_and_a_persons_fault_does_not() -> None:
    assert is_transient(DeviceSilent("m", operation="o", subject="s"))
    assert not is_transient(OperatorMust("m", operation="o", subject="s"))


# --- single properties ----------------------------------------------------------------------------


def message(word: str, *args: str, related: str = "", text: str = "") -> dict[str, object]:
    found: dict[str, object] = {"MessageId": f"Base.1.8.{word}", "MessageArgs": list(args)}
    return found | {"Message": text} | ({"RelatedProperties": [related]} if related else {})


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"error": {"@Message.ExtendedInfo": [message("PropertyUnknown", "Colour")]}}, ["Colour"]),
        ({"@Message.ExtendedInfo": [message("PropertyValueNotInList", "red", "Mode")]}, ["Mode"]),
        ({"@Message.ExtendedInfo": message("PropertyNotWritable", "A", related="#/B/C")}, ["B/C"]),
        (
            {
                "@Message.ExtendedInfo": [
                    message("PropertyUnknown", related="/Attributes/A"),
                    message("PropertyUnknown", related="#/Attributes/B"),
                    message("Success"),
                ]
            },
            ["A", "B"],
        ),
        ({"Mode@Message.ExtendedInfo": [message("PropertyValueTypeError", "1", "Mode")]}, ["Mode"]),
        ({"Attributes": {"A@Message.ExtendedInfo": [message("PropertyNotUpdated")]}}, ["A"]),
        ({"@Message.ExtendedInfo": [message("Success", related="#/A")]}, []),
        ({"@Message.ExtendedInfo": [message("PropertyUnknown")]}, []),
        ({"A": 1}, []),
    ],
)
def test_refused_properties_are_known_by_name(body: dict[str, object], names: list[str]) -> None:
    assert list(refused_properties(body)) == names


def test_a_refusal_names_every_property() -> None:
    info = [
        message("PropertyUnknown", "Colour", text="Colour is not known"),
        message("PropertyNotWritable", related="#/Shape"),
    ]
    raw = json.dumps({"error": {"@Message.ExtendedInfo": info}}).encode()
    error = refusal(400, {}, raw, operation="PATCH", subject="x", now=0.0)
    assert isinstance(error, PropertiesRefused)
    assert error.properties == {"Colour": "Colour is not known", "Shape": "PropertyNotWritable"}
    assert error.message == "HTTP 400 BadRequest: Colour is not known (also refused: Shape)"


_WORDS = (
    *("error", "@Message.ExtendedInfo", "A@Message.ExtendedInfo", "Attributes"),
    *("MessageId", "MessageArgs", "Message", "RelatedProperties"),
)
_SAID = st.recursive(
    st.none()
    | st.integers()
    | st.text(max_size=9)
    | st.sampled_from(["PropertyUnknown", "X.PropertyValueTypeError"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_WORDS) | st.text(max_size=3), inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(_WORDS), _SAID))
def test_whatever_is_said_of_properties_nothing_raises(body: dict[str, object]) -> None:
    for name, why in refused_properties(body).items():
        assert name
        assert name.isprintable()
        assert why.isprintable()
