"""Preconditions in every dialect of tags, and receipts that say what the device said."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from iolaus.drivers.ports import Receipt
from iolaus.drivers.redfish.write.exchange import patch
from iolaus.kernel.errors import DeviceRefused
from iolaus.wire.redfish.errors import PropertiesRefused
from tests.drivers.redfish.build import typed
from tests.drivers.redfish.write.fake import FakeWriter, refused
from tests.drivers.redfish.write.stage import V1

HOST = f"{V1}/Systems/1"


def host() -> FakeWriter:
    return FakeWriter({HOST: typed("ComputerSystem", AssetTag="")})


async def tagged(device: FakeWriter) -> list[str | None]:
    """The preconditions that were tried, in order."""
    await patch(device, HOST, {"AssetTag": "7"})
    assert device.tree[HOST]["AssetTag"] == "7"
    return [each[3] for each in device.written]


@pytest.mark.parametrize(
    ("headers", "first"),
    [
        ({"etag": '"a1"'}, '"a1"'),
        ({"etag": 'W/"a1"'}, 'W/"a1"'),
        ({"etag": '""'}, "*"),
        ({"etag": ""}, "*"),
        ({}, None),
    ],
)
async def test_the_tag_that_was_read_is_sent_back(
    headers: dict[str, str], first: str | None
) -> None:
    device = host()
    device.etag = lambda _: headers
    assert await tagged(device) == [first]


def only(*good: str | None) -> Callable[[str | None], int]:
    return lambda tag: 200 if tag in good else 412


async def test_spellings_are_tried_until_one_is_the_devices() -> None:
    device = host()
    device.etag = lambda _: {"etag": 'W/"a1-gzip"'}
    device.matches = only('"a1"')
    assert (await tagged(device))[-1] == '"a1"'


async def test_a_tag_that_matches_nothing_though_nothing_changed_gives_way_to_any() -> None:
    device = host()
    device.etag = lambda _: {"etag": '"a1"'}
    device.matches = only("*")
    assert (await tagged(device))[-1] == "*"


async def test_a_change_of_somebody_else_is_not_written_over() -> None:
    device, tags = host(), iter(['"a1"', '"a2"'])
    device.etag = lambda _: {"etag": next(tags)}
    device.matches = only("*")
    with pytest.raises(DeviceRefused) as caught:
        await patch(device, HOST, {"AssetTag": "7"})
    assert caught.value.status == 412
    assert "*" not in [each[3] for each in device.written]


async def test_what_is_insisted_on_is_written_over_it_at_once() -> None:
    device, tags = host(), iter(['"a1"', '"a2"'])
    device.etag = lambda _: {"etag": next(tags)}
    device.matches = only("*")
    await patch(device, HOST, {"AssetTag": "7"}, insist=True)
    assert [each[3] for each in device.written] == ["*"]


async def test_a_device_that_gives_no_tags_and_wants_one_gets_any() -> None:
    device = host()
    device.matches = lambda tag: 200 if tag == "*" else 428
    assert await tagged(device) == [None, "*"]


async def test_nothing_to_do_is_success() -> None:
    device = host()
    raw = b'{"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.12.NoOperation"}]}}'
    device.answers["PATCH", HOST] = refused(400, HOST, raw)
    receipt = await patch(device, HOST, {"AssetTag": "7"})
    assert (receipt.already_so, receipt.status) == (True, 400)


async def test_a_property_that_was_not_taken_is_a_refusal_though_it_says_200() -> None:
    device = host()
    body = {"AssetTag@Message.ExtendedInfo": [{"MessageId": "Base.1.0.PropertyNotWritable"}]}
    device.answers["PATCH", HOST] = (200, body, {})
    with pytest.raises(PropertiesRefused) as caught:
        await patch(device, HOST, {"AssetTag": "7"})
    assert caught.value.properties == {"AssetTag": "PropertyNotWritable"}


async def test_a_receipt_is_json_and_says_what_the_device_said() -> None:
    device = host()
    info = {"MessageId": "Maker.1.SYS413", "Message": "It takes effect\x1bat the next start"}
    task = {"@odata.type": "#Task.v1_0_0.Task", "@odata.id": f"{V1}/TaskService/Tasks/9"}
    body = {**task, "@Message.ExtendedInfo": [info]}
    device.answers["PATCH", HOST] = (202, body, {"location": "/x/TaskMonitors/9"})
    receipt = await patch(device, HOST, {"AssetTag": "7"})
    assert receipt.task == f"{V1}/TaskService/Tasks/9"
    assert receipt.message == "It takes effect at the next start"
    assert msgspec.json.decode(msgspec.json.encode(receipt), type=Receipt) == receipt


async def test_a_monitor_is_no_task() -> None:
    device = host()
    device.answers["PATCH", HOST] = (202, {}, {"location": f"{V1}/TaskService/TaskMonitors/9"})
    assert (await patch(device, HOST, {"AssetTag": "7"})).task is None
