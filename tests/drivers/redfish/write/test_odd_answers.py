"""Whatever a device answers, a write ends in a receipt or an error that says whose fault it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from iolaus.drivers.ports import Image, Receipt, Subject, Writes
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceLied, DeviceRefused, DeviceSilent, IolausError
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import V1, on
from tests.examples import examples

HOST, MANAGER = f"{V1}/Systems/1", f"{V1}/Managers/1"
NETWORK, SECURE = f"{MANAGER}/NetworkProtocol", f"{HOST}/SecureBoot"
CERTIFICATE = f"{NETWORK}/HTTPS/Certificates/1"
ACCOUNT = f"{V1}/AccountService/Accounts/1"
SUBJECT = Subject(common_name="b", organization="o", unit="u", city="c", state="s", country="DE")
PEM = (Path(__file__).parent / "some.pem").read_text(encoding="ascii")
Write = Callable[[RedfishDriver, Writes], Awaitable[object]]
WRITES: dict[str, Write] = {
    "power": lambda d, w: d.set_power(w, HOST, "ForceOff"),
    "manager": lambda d, w: d.reset_manager(w, MANAGER),
    "update": lambda d, w: d.update(w, Image(name="b", uri="file:///none"), how="simple"),
    "push": lambda d, w: d.update(w, Image(name="b", path=__file__)),
    "activate": lambda d, w: d.activate(w),
    "bios": lambda d, w: d.write_settings(w, HOST, {"BootDelay": "Enabled"}),
    "clear": lambda d, w: d.clear_pending(w, HOST),
    "ntp": lambda d, w: d.set_manager(w, "ntp.servers", ("a",), uri=NETWORK),
    "ssh": lambda d, w: d.set_manager(w, "services.ssh", False, uri=NETWORK),
    "syslog": lambda d, w: d.set_manager(w, "syslog.host", "a", uri=f"{V1}/EventService"),
    "boot": lambda d, w: d.set_boot(w, HOST, target="Pxe"),
    "order": lambda d, w: d.set_boot_order(w, HOST, ["a"]),
    "secure": lambda d, w: d.set_secure_boot(w, HOST, enabled=False),
    "restore": lambda d, w: d.set_power_restore(w, HOST, "AlwaysOn"),
    "accounts": lambda d, w: d.accounts(w),
    "password": lambda d, w: d.set_password(w, ACCOUNT, "Another-Word-7"),
    "create": lambda d, w: d.create_account(w, "x", "Another-Word-7"),
    "delete": lambda d, w: d.delete_account(w, f"{V1}/AccountService/Accounts/none"),
    "request": lambda d, w: d.request_certificate(w, CERTIFICATE.rpartition("/")[0], SUBJECT),
    "replace": lambda d, w: d.replace_certificate(w, CERTIFICATE, PEM),
}
RAW = ("html", "empty", "truncated", "not_object", "invalid_utf8", "wrong_length")
PROGRESS = Receipt(method="POST", uri="/x", status=202, at=0.0, task=f"{V1}/TaskService/Tasks/1")


async def outcome(write: Write, driver: RedfishDriver, device: Writes) -> str:
    try:
        await write(driver, device)
    except IolausError as error:
        assert error.operation
        assert error.subject
        kinds = (DeviceLied, DeviceRefused, DeviceSilent)
        return next((kind.__name__ for kind in kinds if isinstance(error, kind)), "other")
    return "done"


@pytest.mark.parametrize("raw", RAW)
async def test_nonsense_where_something_is_read_is_a_lie_or_silence(raw: str) -> None:
    async with on("dl365-cpu") as at:
        at.rules({"effect": "replace", "raw": raw, "select": {"method": ["GET"]}})
        lenient = raw == "invalid_utf8"
        for name, write in WRITES.items():
            found = await outcome(write, at.driver, at.writer)
            unread = name == "delete"
            assert found in ("DeviceLied", "DeviceSilent") or lenient or unread, (name, found)
        assert lenient or not at.device.counters.by_method.get("PATCH", 0)
        if not lenient:
            with pytest.raises((DeviceLied, DeviceSilent)):
                await at.driver.progress(at.writer, structs.replace(PROGRESS, task=HOST))


@pytest.mark.parametrize("raw", RAW)
async def test_nonsense_in_answer_to_a_write_is_a_receipt_or_an_error(raw: str) -> None:
    async with on("dl365-cpu") as at:
        methods = ["PATCH", "POST", "DELETE"]
        await at.inventory()
        at.rules({"effect": "replace", "raw": raw, "select": {"method": methods}})
        last = sorted(WRITES, key=lambda name: name in ("power", "manager", "push", "update"))
        told = {name: await outcome(WRITES[name], at.driver, at.writer) for name in last}
    assert set(told.values()) <= {"done", "DeviceLied", "DeviceRefused", "DeviceSilent"}
    if raw in ("html", "empty", "not_object"):
        assert told["request"] == "DeviceLied", "no signing request came"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 412, 428, 500, 503])
async def test_every_refusal_is_one(status: int) -> None:
    async with on("dl365-cpu") as at:
        methods = ["PATCH", "POST", "DELETE"]
        await at.inventory()
        at.rules({"effect": "status", "status": status, "select": {"method": methods}})
        for name, write in WRITES.items():
            found = await outcome(write, at.driver, at.writer)
            unsent = name in ("accounts", "activate", "clear", "order", "syslog", "push")
            assert found == "DeviceRefused" or unsent, (name, found)


_KEYS = (
    *("@odata.id", "@odata.type", "@odata.etag", "Members", "Actions", "target", "Attributes"),
    *("#ComputerSystem.Reset", "#Manager.Reset", "#UpdateService.SimpleUpdate", "SettingsObject"),
    *("@Redfish.Settings", "Bios", "Boot", "SecureBoot", "SecureBootEnable", "NTP", "NTPServers"),
    *("HttpPushUri", "MultipartHttpPushUri", "HttpPushUriTargets", "Accounts", "UserName", "Id"),
    *("MinPasswordLength", "MaxPasswordLength", "Subscriptions", "Protocol", "Destination", "Oem"),
    *("#CertificateService.GenerateCSR", "CSRString", "ResetType@Redfish.AllowableValues"),
    *(
        "@Redfish.ActionInfo",
        "MaxImageSizeBytes",
        "TaskState",
        "TaskMonitor",
        "SupportedApplyTimes",
    ),
)
_LEAVES = (
    *(None, True, False, 0, -3, 20, "", "On", "SyslogTLS", "x", V1, HOST, NETWORK, CERTIFICATE),
    *(f"{HOST}/Bios", f"{HOST}/Bios/Settings", "//elsewhere/x", "https://elsewhere/x", "DELETE"),
)


def anything(chance: Random, depth: int = 0) -> Any:
    """Hypothesis would draw each of thousands of values; here it draws what they follow from."""
    kind = chance.random()
    if depth > 4 or kind < 0.3:
        return chance.choice(_LEAVES)
    if kind < 0.45:
        return [anything(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {chance.choice(_KEYS): anything(chance, depth + 1) for _ in range(chance.randrange(9))}


def resource(chance: Random) -> dict[str, Any]:
    """Most of what is looked for stands there, as something."""
    found = {key: anything(chance, 2) for key in _KEYS if chance.random() < 0.5}
    offers = {key: anything(chance, 3) for key in _KEYS if key.startswith("#")}
    sound = {key: {"target": f"{V1}/a", **resource_of(held)} for key, held in offers.items()}
    return found | {"Actions": chance.choice([offers, sound, sound, found.get("Actions")])}


def resource_of(held: Any) -> dict[str, Any]:
    return held if isinstance(held, dict) else {}


_PLACES = (
    *(V1, HOST, MANAGER, NETWORK, SECURE, ACCOUNT, CERTIFICATE, f"{HOST}/Bios"),
    *(f"{V1}/UpdateService", f"{V1}/AccountService", f"{V1}/AccountService/Accounts"),
    *(f"{V1}/EventService", f"{V1}/EventService/Subscriptions", f"{V1}/CertificateService"),
    f"{V1}/a",
)


@settings(max_examples=examples(150, 400))
@given(st.integers(0, 2**32), st.sampled_from(sorted(WRITES)))
async def test_whatever_its_resources_say_nothing_but_our_errors(seed: int, name: str) -> None:
    chance = Random(seed)
    tree = {place: resource(chance) for place in _PLACES}
    await outcome(WRITES[name], RedfishDriver(), FakeWriter(tree))
    await RedfishDriver().progress(FakeWriter({PROGRESS.task or "": tree[HOST]}), PROGRESS)
