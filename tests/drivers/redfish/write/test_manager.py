"""Each setting of the controller, written and read back by a fresh inventory."""

from __future__ import annotations

from typing import Any

import pytest

from iolaus.drivers.ports import SettingValue
from iolaus.drivers.redfish import RedfishDriver
from iolaus.drivers.redfish.write.manager import SETTABLE
from iolaus.kernel.errors import DeviceRefused, OperatorMust, PolicyRefused
from iolaus.wire.redfish.errors import PropertiesRefused
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.fake import ROOT
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import HOSTS, V1, On, on

WISHES: dict[str, SettingValue] = {
    "ntp.enabled": False,
    "ntp.servers": ("ntp1.example", "ntp2.example"),
    "services.ssh": False,
    "services.ipmiOverLan": True,
    "services.http": True,
    "accounts.lockoutThreshold": 5,
    "boot.override.enabled": "Once",
    "boot.override.target": "Pxe",
}
NETWORK = f"{V1}/Managers/1/NetworkProtocol"
EVENTS, PLACE = f"{V1}/EventService", f"{V1}/EventService/Subscriptions"


async def write(at: On, name: str, value: SettingValue, *, uri: str | None = None) -> SettingValue:
    """What a fresh inventory says after the setting was written where its fact stood."""
    place = uri or (await at.setting(name)).uri
    receipt = await at.driver.set_manager(at.writer, name, value, uri=place)
    assert receipt.status == 200
    return (await at.setting(name)).value


@pytest.mark.parametrize("persona", HOSTS)
async def test_every_setting_that_is_shown_can_be_written(persona: str) -> None:
    async with on(persona) as at:
        facts = reversed((await at.inventory()).manager_settings)
        places = {fact.name: fact.uri for fact in facts}
        for name, value in WISHES.items():
            assert await write(at, name, value, uri=places[name]) == value, name


async def test_power_restore_is_written_where_the_host_shows_it() -> None:
    async with on("gb300-tray") as at:
        assert await write(at, "powerRestorePolicy", "AlwaysOn") == "AlwaysOn"


async def test_a_shorter_list_of_servers_is_what_is_kept() -> None:
    async with on("dl365-cpu") as at:
        assert await write(at, "ntp.servers", ("a", "b", "c")) == ("a", "b", "c")
        assert await write(at, "ntp.servers", ("d",)) == ("d",)
        assert await write(at, "ntp.servers", ()) == ()


@pytest.mark.parametrize("persona", ["gb300-tray", "xe9680-h200"])
async def test_secure_boot_waits_for_the_next_start(persona: str) -> None:
    async with on(persona) as at:
        fact = await at.setting("secureBoot.enabled")
        assert (fact.value, fact.staged) == (True, None)
        await at.driver.set_manager(at.writer, fact.name, False, uri=fact.uri)
        fact = await at.setting("secureBoot.enabled")
        assert (fact.value, fact.staged) == (True, False)
        await at.restart()
        fact = await at.setting("secureBoot.enabled")
        assert (fact.value, fact.staged) == (False, None)


async def test_a_boot_override_for_once_is_used_at_the_next_start() -> None:
    async with on("dl365-cpu") as at:
        await at.driver.set_boot(at.writer, at.system, target="Pxe", enabled="Once", mode="UEFI")
        assert (await at.setting("boot.override.target")).value == "Pxe"
        await at.restart()
        assert (await at.setting("boot.override.enabled")).value == "Disabled"
        with pytest.raises(DeviceRefused, match="Floppy"):
            await at.driver.set_boot(at.writer, at.system, target="Floppy")
        with pytest.raises(OperatorMust):
            await at.driver.set_boot(at.writer, at.system)


async def test_the_way_in_is_never_switched_off() -> None:
    async with on("dl365-cpu") as at:
        fact = await at.setting("services.https")
        with pytest.raises(PolicyRefused):
            await at.driver.set_manager(at.writer, "services.https", False, uri=fact.uri)
        assert at.device.counters.by_method.get("PATCH", 0) == 0


async def test_a_value_of_the_wrong_kind_or_an_unknown_name_is_not_sent() -> None:
    device = FakeWriter({})
    wrong: dict[str, SettingValue] = {
        "ntp.enabled": "yes",
        "ntp.servers": "one",
        "syslog.port": True,
        "accounts": ("root",),
        "colour": "red",
    }
    for name, value in wrong.items():
        with pytest.raises(OperatorMust):
            await RedfishDriver().set_manager(device, name, value, uri=NETWORK)
    assert device.written == []
    assert WISHES.keys() <= SETTABLE


# --- dialects -------------------------------------------------------------------------------------


async def test_empty_places_for_servers_are_written_as_the_device_shows_them() -> None:
    ntp = {"NTPServers": ["a", "b", "", ""]}
    device = FakeWriter({NETWORK: typed("ManagerNetworkProtocol", NTP=ntp)})
    await RedfishDriver().set_manager(device, "ntp.servers", ["x"], uri=NETWORK)  # type: ignore[arg-type]
    assert device.written[-1][2] == {"NTP": {"NTPServers": ["x", "", "", ""]}}


async def test_a_setting_that_was_not_taken_is_refused_by_name() -> None:
    device = FakeWriter({NETWORK: typed("ManagerNetworkProtocol", SSH={"ProtocolEnabled": True})})
    info = {
        "MessageId": "Base.1.8.PropertyNotWritable",
        "Message": "no",
        "RelatedProperties": ["/SSH/ProtocolEnabled"],
    }
    device.answers["PATCH", NETWORK] = (200, {"@Message.ExtendedInfo": [info]}, {})
    with pytest.raises(PropertiesRefused) as refused:
        await RedfishDriver().set_manager(device, "services.ssh", False, uri=NETWORK)
    assert refused.value.properties == {"SSH/ProtocolEnabled": "no"}


def receivers(*given: dict[str, Any]) -> FakeWriter:
    members = {f"{PLACE}/{n}": typed("EventDestination", **each) for n, each in enumerate(given)}
    links = [link(uri) for uri in members]
    return FakeWriter(
        {
            ROOT: typed("ServiceRoot", EventService=link(EVENTS)),
            EVENTS: typed("EventService", Subscriptions=link(PLACE)),
            PLACE: {"Members": links},
            **members,
        }
    )


def sent(device: FakeWriter) -> list[tuple[str, str, Any]]:
    """(method, URI, destination and protocol) of what was written."""
    return [
        (method, uri, (body["Destination"], body["Protocol"]) if body else None)
        for method, uri, body, _ in device.written
    ]


OTHER = {"Protocol": "Redfish", "Destination": "https://here/x"}
LOGS = {"Protocol": "SyslogUDP", "Destination": "syslog://old.example:514"}


async def test_a_first_receiver_of_syslog_is_made_with_tls() -> None:
    device = receivers(OTHER)
    receipt = await RedfishDriver().set_manager(device, "syslog.host", "log.example", uri=PLACE)
    assert sent(device) == [("POST", PLACE, ("syslog://log.example:6514", "SyslogTLS"))]
    assert receipt.status == 201


async def test_another_receiver_is_made_before_the_old_one_goes() -> None:
    device = receivers(OTHER, LOGS)
    await RedfishDriver().set_manager(device, "syslog.host", "2001:db8::1", uri=PLACE)
    made = ("syslog://[2001:db8::1]:514", "SyslogUDP")
    assert sent(device) == [("POST", PLACE, made), ("DELETE", f"{PLACE}/1", None)]
    again = await RedfishDriver().set_manager(device, "syslog.host", "2001:db8::1", uri=PLACE)
    assert (again.already_so, len(device.written)) == (True, 2)


async def test_an_interrupted_change_of_receiver_is_finished() -> None:
    new = {"Protocol": "SyslogUDP", "Destination": "syslog://new.example:514"}
    device = receivers(LOGS, new)
    await RedfishDriver().set_manager(device, "syslog.host", "new.example", uri=PLACE)
    assert sent(device) == [("DELETE", f"{PLACE}/0", None)]


async def test_tls_takes_its_usual_port_along_and_a_port_of_ones_own_stays() -> None:
    device = receivers(LOGS)
    await RedfishDriver().set_manager(device, "syslog.tls", True, uri=f"{PLACE}/0")
    assert sent(device)[0][2] == ("syslog://old.example:6514", "SyslogTLS")
    await RedfishDriver().set_manager(device, "syslog.port", 7000, uri=PLACE)
    await RedfishDriver().set_manager(device, "syslog.tls", False, uri=PLACE)
    assert [each[2] for each in sent(device) if each[0] == "POST"][1:] == [
        ("syslog://old.example:7000", "SyslogTLS"),
        ("syslog://old.example:7000", "SyslogUDP"),
    ]


async def test_a_port_needs_a_receiver_and_none_can_be_wished_for() -> None:
    device = receivers()
    with pytest.raises(OperatorMust, match="needs a receiver"):
        await RedfishDriver().set_manager(device, "syslog.port", 7000, uri=PLACE)
    nothing = await RedfishDriver().set_manager(device, "syslog.host", "", uri=PLACE)
    assert nothing.already_so
    device = receivers(LOGS)
    await RedfishDriver().set_manager(device, "syslog.host", "", uri=PLACE)
    assert sent(device) == [("DELETE", f"{PLACE}/0", None)]


async def test_a_boot_order_goes_where_the_device_stages_it() -> None:
    host, later = f"{V1}/Systems/1", f"{V1}/Systems/1/SD"
    settings = {"@Redfish.Settings": {"SettingsObject": link(later)}}
    device = FakeWriter(
        {
            host: typed("ComputerSystem", Boot={"BootOrder": ["a", "b"]}, **settings),
            later: typed("ComputerSystem", Boot={"BootOrder": []}),
        }
    )
    await RedfishDriver().set_boot_order(device, host, ["b", "a"])
    await RedfishDriver().set_boot(device, host, target="Pxe")
    assert [(uri, body) for _, uri, body, _ in device.written] == [
        (later, {"Boot": {"BootOrder": ["b", "a"]}}),
        (host, {"Boot": {"BootSourceOverrideTarget": "Pxe"}}),
    ]


async def test_secure_boot_is_found_from_the_host_and_may_be_missing() -> None:
    host = f"{V1}/Systems/1"
    secure = f"{host}/SecureBoot"
    device = FakeWriter(
        {
            host: typed("ComputerSystem", SecureBoot=link(secure)),
            secure: typed("SecureBoot", SecureBootEnable=True),
        }
    )
    await RedfishDriver().set_secure_boot(device, host, enabled=False)
    assert device.written[-1][:3] == ("PATCH", secure, {"SecureBootEnable": False})
    device.tree[host] = typed("ComputerSystem")
    with pytest.raises(DeviceRefused, match="Secure Boot"):
        await RedfishDriver().set_secure_boot(device, host, enabled=False)
    with pytest.raises(DeviceRefused, match="boot settings"):
        await RedfishDriver().set_boot_order(device, host, ["a"])
