"""How well an endpoint is closed: what is not said is unknown, what is weak says what to do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.model.asset import ManagerSetting, Report
from iolaus.model.surface import Shown, Surface
from iolaus.trust.hardening import SERVICES, Check, State, judge

NOW, DAY = 1_790_000_000.0, 86_400.0
BMC = "https://10.0.0.1"
SHOWN = Shown(
    fingerprint="a" * 64,
    subject="CN=bmc1",
    issuer="CN=Hall CA",
    not_before=NOW - DAY,
    not_after=NOW + 300 * DAY,
    key="ec-256",
    hashed="sha256",
    own=False,
)
TLS = {"TLSv1": False, "TLSv1.1": False, "TLSv1.2": True, "TLSv1.3": True}
PATHS = {"/redfish/v1/Systems": 401, "/redfish/v1/Managers": 403}
CLOSED: dict[str, Any] = {
    **{service.setting: False for service in SERVICES},
    "ntp.enabled": True,
    "ntp.servers": ("10.0.0.9",),
    "syslog.host": "10.0.0.8",
    "syslog.tls": True,
    "accounts.lockoutThreshold": 5,
    "secureBoot.enabled": True,
}


def report(given_: dict[str, Any]) -> Report:
    return Report(
        endpoint=BMC,
        driver="redfish",
        redfish_version="1.15.0",
        observed_at=NOW,
        assets=(),
        manager_settings=tuple(
            ManagerSetting(name=name, value=value, uri=f"/m/{name}")
            for name, value in given_.items()
        ),
    )


def surface(**fields: Any) -> Surface:
    given_ = {"certificate": SHOWN, "versions": TLS, "paths": PATHS, **fields}
    return Surface(address=BMC, at=NOW, **given_)


def checks(given_: dict[str, Any], seen: Surface | None, **more: Any) -> dict[str, Check]:
    found = judge(BMC, report(given_), seen, now=NOW, **more)
    return {each.check: each for each in reversed(found)}


def test_a_closed_endpoint_is_sound_throughout() -> None:
    found = judge(BMC, report(CLOSED), surface(), now=NOW)
    assert {each.state for each in found} == {State.SOUND}
    assert len({each.check for each in found}) == len(found)


def test_an_endpoint_that_says_nothing_is_unknown_throughout() -> None:
    for found in (judge(BMC, None, None, now=NOW), judge(BMC, report({}), None, now=NOW)):
        assert {each.state for each in found} == {State.UNKNOWN}
        assert all(each.message for each in found)


@pytest.mark.parametrize(
    ("name", "value", "check"),
    [
        ("services.ipmiOverLan", True, "ipmi-over-lan"),
        ("services.telnet", True, "telnet"),
        ("services.ssh", True, "ssh"),
        ("services.kvmip", True, "kvm"),
        ("services.virtualMedia", True, "virtual-media"),
        ("ntp.enabled", False, "time-sync"),
        ("ntp.servers", (), "time-sync"),
        ("syslog.host", "", "event-forwarding"),
        ("syslog.tls", False, "event-forwarding"),
        ("accounts.lockoutThreshold", 0, "lockout"),
        ("secureBoot.enabled", False, "secure-boot"),
    ],
)
def test_each_weakness_is_found_and_says_what_to_do(name: str, value: Any, check: str) -> None:
    found = checks({**CLOSED, name: value}, surface())[check]
    assert found.state is State.WEAK
    assert found.next_step
    assert found.uri == f"/m/{name}"


def test_cipher_zero_is_known_only_where_ipmi_is_off() -> None:
    assert checks(CLOSED, surface())["cipher-zero"].state is State.SOUND
    opened = checks({**CLOSED, "services.ipmiOverLan": True}, surface())["cipher-zero"]
    assert (opened.state, "ipmitool" in opened.next_step) == (State.UNKNOWN, True)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"own": True}, "it signed itself"),
        ({"not_after": NOW - 1}, "it ended"),
        ({"not_after": NOW + DAY}, "it ends"),
        ({"not_before": NOW + DAY}, "it begins"),
        ({"key": "rsa-1024"}, "too short"),
        ({"hashed": "sha1"}, "signed with sha1"),
    ],
)
def test_a_bad_certificate_is_found(fields: dict[str, Any], said: str) -> None:
    shown = msgspec.structs.replace(SHOWN, **fields)
    found = checks(CLOSED, surface(certificate=shown))["certificate"]
    assert found.state is State.WEAK
    assert said in found.message


def test_one_certificate_at_many_controllers_is_a_makers_default() -> None:
    found = checks(CLOSED, surface(), shared={SHOWN.fingerprint: 7})["certificate"]
    assert (found.state, found.severity) == (State.WEAK, "high")
    assert found.message.startswith("7 controllers show this certificate")


def test_old_versions_of_tls_are_weak_and_untried_ones_unknown() -> None:
    old = checks(CLOSED, surface(versions={**TLS, "TLSv1.1": True}))["tls"]
    assert (old.state, "TLSv1.1" in old.message) == (State.WEAK, True)
    untried = checks(CLOSED, surface(versions={**TLS, "TLSv1": None}))["tls"]
    assert untried.state is State.UNKNOWN


def test_paths_that_anybody_reads_are_weak() -> None:
    opened = checks(CLOSED, surface(paths={**PATHS, "/redfish/v1/Chassis": 200}))["open-paths"]
    assert (opened.state, opened.uri) == (State.WEAK, "/redfish/v1/Chassis")
    silent = checks(CLOSED, surface(paths={**PATHS, "/redfish/v1/Chassis": None}))["open-paths"]
    assert silent.state is State.UNKNOWN
    plain = judge("http://10.0.0.1", None, None, now=NOW)
    assert next(each for each in plain if each.check == "tls").state is State.WEAK


VALUES = st.sampled_from([None, True, False, "", "x", 0, 5, (), ("a",)])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(CLOSED)), VALUES))
def test_taking_a_fact_away_never_makes_a_check_sound(given_: dict[str, Any]) -> None:
    whole = checks(given_, surface())
    for name in given_:
        less = checks({k: v for k, v in given_.items() if k != name}, surface())
        for check, found in less.items():
            assert (
                found.state is not State.SOUND
                or whole[check].state is not State.UNKNOWN
                or (given_[name] is None)
            )
