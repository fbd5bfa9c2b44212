"""Settings of the controller as facts: known, known to be none, staged, or not known and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.driver import report
from iolaus.drivers.redfish.harvest import ROOT, Harvest
from iolaus.drivers.redfish.manager_settings import read_manager_settings
from iolaus.kernel.errors import DeviceRefused
from iolaus.model.asset import ManagerSetting
from tests.drivers.redfish import trees
from tests.drivers.redfish.build import HOST, harvest_of, link, one_asset, typed
from tests.drivers.redfish.fake import FakeDevice

BMC = f"{ROOT}/Managers/BMC"
NETWORK = f"{BMC}/NetworkProtocol"
ACCOUNTS = f"{ROOT}/AccountService/Accounts"
EVENTS = f"{ROOT}/EventService"


def read(resources: dict[str, Any]) -> dict[str, ManagerSetting]:
    return {each.name: each for each in read_manager_settings(harvest_of(resources), one_asset)}


def network(**fields: Any) -> dict[str, Any]:
    return {NETWORK: typed("ManagerNetworkProtocol", **fields)}


def test_services_and_time_are_facts_where_they_are_shown() -> None:
    found = read(
        network(
            SSH={"ProtocolEnabled": True, "Port": 22},
            IPMI={"ProtocolEnabled": False},
            KVMIP={"Port": 5900},
            SNMP={"ProtocolEnabled": "yes"},
            NTP={"ProtocolEnabled": True, "NTPServers": ["a.example ", "", None, "b.example"]},
        )
    )
    assert {name: each.value for name, each in found.items()} == {
        "services.ssh": True,
        "services.ipmiOverLan": False,
        "services.snmp": None,
        "ntp.enabled": True,
        "ntp.servers": ("a.example", "b.example"),
    }
    assert found["services.snmp"].reason == (
        "SNMP/ProtocolEnabled is not reported as the schema has it"
    )
    assert {(each.uri, each.asset) for each in found.values()} == {(NETWORK, "Systems/Host")}


def test_no_servers_is_known_and_null_is_not() -> None:
    empty = read(network(NTP={"NTPServers": []}))["ntp.servers"]
    assert (empty.value, empty.reason) == ((), "")
    null = read(network(NTP={"NTPServers": None}))["ntp.servers"]
    assert (null.value, bool(null.reason)) == (None, True)


def subscriptions(*given: dict[str, Any], **service: Any) -> dict[str, Any]:
    place = f"{EVENTS}/Subscriptions"
    members = {f"{place}/{n}": typed("EventDestination", **each) for n, each in enumerate(given)}
    return {
        EVENTS: typed("EventService", Subscriptions=link(place), **service),
        place: {"Members": [link(uri) for uri in members]},
        **members,
    }


@pytest.mark.parametrize(
    ("protocol", "destination", "told"),
    [
        ("SyslogTLS", "syslog://log.example:7000", ("log.example", 7000, True)),
        ("SyslogTLS", "log.example", ("log.example", 6514, True)),
        ("SyslogUDP", "syslog://[2001:db8::1]", ("2001:db8::1", 514, False)),
        ("SyslogTCP", "10.1.2.3:1514", ("10.1.2.3", 1514, False)),
    ],
)
def test_a_syslog_subscription_says_host_port_and_tls(
    protocol: str, destination: str, told: tuple[object, ...]
) -> None:
    other = {"Protocol": "Redfish", "Destination": "https://here/x"}
    found = read(subscriptions(other, {"Protocol": protocol, "Destination": destination}))
    names = ("syslog.host", "syslog.port", "syslog.tls")
    assert tuple(found[name].value for name in names) == told
    assert {found[name].uri for name in names} == {f"{EVENTS}/Subscriptions/1"}


def test_no_syslog_is_known_only_where_the_service_knows_syslog() -> None:
    unknown = read(subscriptions())["syslog.host"]
    assert (unknown.value, bool(unknown.reason)) == (None, True)
    none = read(subscriptions(Oem={"Protocols": ["SyslogTLS"]}))["syslog.host"]
    assert (none.value, none.reason, none.uri) == ("", "", f"{EVENTS}/Subscriptions")
    assert "syslog.port" not in read(subscriptions())


def accounts(*given: dict[str, Any], **service: Any) -> dict[str, Any]:
    members = {f"{ACCOUNTS}/{n}": typed("ManagerAccount", **each) for n, each in enumerate(given)}
    return {
        f"{ROOT}/AccountService": typed("AccountService", Accounts=link(ACCOUNTS), **service),
        ACCOUNTS: {"Members": [link(uri) for uri in members]},
        **members,
    }


def test_enabled_users_are_listed_and_free_slots_are_not() -> None:
    found = read(
        accounts(
            {"UserName": "root", "Enabled": True},
            {"UserName": "", "Enabled": False},
            {"UserName": "guest", "Enabled": False},
            {"UserName": "admin", "Enabled": True},
            AccountLockoutThreshold=5,
        )
    )
    assert found["accounts"].value == ("admin", "root")
    assert found["accounts"].uri == ACCOUNTS
    assert found["accounts.lockoutThreshold"].value == 5


def test_a_list_of_users_that_is_not_whole_is_none() -> None:
    silent = read(accounts({"UserName": "root"}))["accounts"]
    assert (silent.value, "does not say" in silent.reason) == (None, True)
    resources = accounts({"UserName": "root", "Enabled": True})
    whole = harvest_of(resources)
    gap = {f"{ACCOUNTS}/9": "HTTP 500"}
    harvest = Harvest(
        address="x", at=1.0, resources=whole.resources, collections=whole.collections, gaps=gap
    )
    (told,) = read_manager_settings(harvest, one_asset)
    assert (told.value, told.reason) == (None, f"{ACCOUNTS}/9: HTTP 500")


def test_how_a_host_starts() -> None:
    boot = {
        "BootOrder": ["Boot0001", "Boot0002"],
        "BootSourceOverrideTarget": "Pxe",
        "BootSourceOverrideEnabled": "Once",
    }
    host = typed("ComputerSystem", Boot=boot, PowerRestorePolicy="LastState")
    found = read({HOST: host})
    assert {name: each.value for name, each in found.items()} == {
        "boot.order": ("Boot0001", "Boot0002"),
        "boot.override.target": "Pxe",
        "boot.override.enabled": "Once",
        "powerRestorePolicy": "LastState",
    }


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"SecureBootEnable": True, "SecureBootCurrentBoot": "Enabled"}, (True, None)),
        ({"SecureBootEnable": True, "SecureBootCurrentBoot": "Disabled"}, (False, True)),
        ({"SecureBootEnable": False, "SecureBootCurrentBoot": "Enabled"}, (True, False)),
        ({"SecureBootEnable": False}, (False, None)),
        ({"SecureBootEnable": "no"}, (None, None)),
    ],
)
def test_secure_boot_runs_or_is_staged(
    fields: dict[str, Any], told: tuple[bool | None, bool | None]
) -> None:
    found = read({f"{HOST}/SecureBoot": typed("SecureBoot", **fields)})["secureBoot.enabled"]
    assert (found.value, found.staged) == told
    assert bool(found.reason) == (found.value is None)


async def test_what_could_not_be_read_says_why() -> None:
    tree = trees.server(SecureBoot=trees.link("Systems/1/SecureBoot"))
    tree[ROOT]["AccountService"] = link(f"{ROOT}/AccountService")
    tree[f"{ROOT}/Managers/1"]["NetworkProtocol"] = link(f"{ROOT}/Managers/1/NetworkProtocol")
    refused = {
        f"{ROOT}/AccountService": 403,
        f"{ROOT}/Systems/1/SecureBoot": 500,
        f"{ROOT}/Managers/1/NetworkProtocol": 503,
    }
    device = FakeDevice(
        tree,
        {
            uri: DeviceRefused(f"HTTP {status}", operation="GET", subject=uri, status=status)
            for uri, status in refused.items()
        },
    )
    told = await RedfishDriver().inventory(device)
    reasons = {each.name: (each.value, each.reason) for each in told.manager_settings}
    assert reasons["accounts"] == (None, "HTTP 403")
    assert reasons["secureBoot.enabled"] == (None, "HTTP 500")
    assert reasons["ntp.servers"] == reasons["services.ssh"] == (None, "HTTP 503")
    assert f"{ROOT}/AccountService" not in told.partial, "a login's limits are no unread part"
    assert f"{ROOT}/Systems/1/SecureBoot" in told.partial


_VALUE = st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5)
_ANY = st.recursive(
    _VALUE,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["ProtocolEnabled", "NTPServers", "BootOrder", "@odata.id", "x"]), inner
        )
    ),
    max_leaves=6,
)
_FIELDS = (
    *("SSH", "NTP", "Protocol", "Destination", "Accounts", "Subscriptions", "UserName"),
    *("Enabled", "Boot", "SecureBoot", "PowerRestorePolicy", "SecureBootEnable"),
    *("SecureBootCurrentBoot", "AccountLockoutThreshold"),
)
_KINDS = (
    *("ManagerNetworkProtocol", "EventService", "EventDestination", "AccountService"),
    *("ManagerAccount", "ComputerSystem", "SecureBoot", "Manager"),
)


@given(st.dictionaries(st.sampled_from(_KINDS), st.dictionaries(st.sampled_from(_FIELDS), _ANY)))
def test_no_payload_raises_and_every_fact_is_a_value_or_has_a_reason(
    given_: dict[str, dict[str, Any]],
) -> None:
    resources = {f"{ROOT}/X/{kind}": typed(kind, **held) for kind, held in given_.items()}
    harvest = harvest_of(resources, root={"AccountService": link(f"{ROOT}/X/AccountService")})
    for each in read_manager_settings(harvest, one_asset):
        assert each.value is not None or each.reason
    report(harvest)


async def test_what_serves_several_hosts_belongs_to_the_endpoint() -> None:
    tree = trees.server()
    tree[ROOT] |= {"AccountService": link(f"{ROOT}/AccountService")}
    trees.put(tree, "AccountService", "AccountService", AccountLockoutThreshold=3)
    trees.put(
        tree, "Managers/1/NetworkProtocol", "ManagerNetworkProtocol", SSH={"ProtocolEnabled": True}
    )
    tree[f"{ROOT}/Managers/1"]["NetworkProtocol"] = link(f"{ROOT}/Managers/1/NetworkProtocol")
    told = await RedfishDriver().inventory(FakeDevice(tree))
    owners = {each.name: each.asset for each in told.manager_settings}
    assert owners == {"services.ssh": "Systems/1", "accounts.lockoutThreshold": None}
