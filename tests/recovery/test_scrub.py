"""Nothing secret leaves, wherever it was planted."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.recovery.scrub import GONE, Scrub

SECRET = "Tr0ub4dor&3-x"  # planted


def test_values_under_names_that_mean_a_secret_are_gone() -> None:
    body = {
        "UserName": "root",
        "Password": "whatever-it-is",
        "AccountService": {"MinPasswordLength": 12, "PasswordExpiration": None},
        "SNMP": [{"AuthKey": "abcdef", "Community": "public2"}],
        "Oem": {"apiKey": "k-123456", "HTTPHeaders": [{"X-Auth-Token": "t-99"}]},
    }
    found = Scrub().value(body)
    assert found["UserName"] == "root"
    assert found["Password"] == GONE
    assert found["AccountService"] == {"MinPasswordLength": 12, "PasswordExpiration": None}
    assert found["SNMP"] == [{"AuthKey": GONE, "Community": GONE}]
    assert found["Oem"] == {"apiKey": GONE, "HTTPHeaders": [{"X-Auth-Token": GONE}]}


def test_text_is_looked_through_too() -> None:
    pem = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEE\n-----END EC PRIVATE KEY-----"
    lines = [
        "login: root password: hunter22",
        "Authorization: Bearer eyJhbGciOi.abc",
        "wget https://ana:pw1234@mirror/x",
        "X-Auth-Token: 5d8f0a",
        'token="abc def"',
        pem,
    ]
    found = Scrub().text("\n".join(lines))
    for word in ("hunter22", "eyJhbGciOi", "pw1234", "5d8f0a", "abc def", "MHcCAQEE"):
        assert word not in found, word
    assert "login: root" in found


@settings(max_examples=100)
@given(
    st.recursive(
        st.one_of(st.text(max_size=8), st.integers(), st.none(), st.just(f"a {SECRET} b")),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["Message", "Args", f"k{SECRET}", "Id"]), inner, max_size=3
            ),
        ),
        max_leaves=12,
    )
)
def test_what_we_keep_is_found_anywhere(value: object) -> None:
    found = Scrub([SECRET, "ab"]).value(value)
    assert SECRET not in json.dumps(found, ensure_ascii=False)
    assert "Tr0ub" not in repr(Scrub([SECRET]))
