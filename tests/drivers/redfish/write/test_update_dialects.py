"""Ways of handing over an image that no simulated machine has, and images that are not sent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from iolaus.drivers.ports import Image
from iolaus.drivers.redfish import RedfishDriver
from iolaus.kernel.errors import DeviceRefused, DeviceSilent, OperatorMust
from iolaus.wire.redfish.errors import Code
from tests.drivers.redfish.build import link, typed
from tests.drivers.redfish.fake import ROOT
from tests.drivers.redfish.write.fake import FakeWriter
from tests.drivers.redfish.write.stage import V1

UPDATE, PUSH, FORM = f"{V1}/UpdateService", f"{V1}/UpdateService/push", f"{V1}/UpdateService/form"
TARGETS = [f"{UPDATE}/FirmwareInventory/BMC"]


def service(**fields: Any) -> FakeWriter:
    return FakeWriter(
        {
            ROOT: typed("ServiceRoot", UpdateService=link(UPDATE)),
            UPDATE: typed("UpdateService", **fields),
            PUSH: {},
            FORM: {},
        }
    )


@pytest.fixture
def image(tmp_path: Path) -> Image:
    file = tmp_path / "bmc.bin"
    file.write_bytes(b"firmware")
    return Image(name="bmc.bin", path=str(file))


def sent(device: FakeWriter) -> list[Any]:
    return [body for _, _, body, _ in device.written]


async def test_a_bare_push_names_its_targets_and_time_first_and_forgets_them_after(
    image: Image,
) -> None:
    device = service(
        HttpPushUri=PUSH, HttpPushUriTargets=[], HttpPushUriTargetsBusy=False,
        HttpPushUriOptions={"HttpPushUriApplyTime": {"ApplyTime": "Immediate"}},
    )  # fmt: skip
    await RedfishDriver().update(device, image, TARGETS, apply_time="OnReset")
    assert sent(device) == [
        {
            "HttpPushUriTargets": TARGETS,
            "HttpPushUriTargetsBusy": True,
            "HttpPushUriOptions": {"HttpPushUriApplyTime": {"ApplyTime": "OnReset"}},
        },
        {"HttpPushUriTargets": [], "HttpPushUriTargetsBusy": False},
    ]
    assert device.pushed == [(PUSH, "application/octet-stream", b"firmware")]


async def test_targets_are_let_go_also_when_the_push_fails(image: Image) -> None:
    device = service(HttpPushUri=PUSH, HttpPushUriTargets=[])
    device.answers["POST", PUSH] = DeviceSilent("no answer", operation="POST", subject=PUSH)
    with pytest.raises(DeviceSilent):
        await RedfishDriver().update(device, image, TARGETS)
    assert sent(device)[-1] == {"HttpPushUriTargets": []}


async def test_a_push_of_somebody_else_is_waited_for(image: Image) -> None:
    device = service(HttpPushUri=PUSH, HttpPushUriTargets=[], HttpPushUriTargetsBusy=True)
    with pytest.raises(DeviceRefused) as refused:
        await RedfishDriver().update(device, image, TARGETS)
    assert (refused.value.code, refused.value.retry_after_s) == (Code.BUSY, 30.0)
    assert (device.pushed, device.written) == ([], [])


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"targets": TARGETS}, "no target in particular"),
        ({"apply_time": "OnReset"}, "no apply time"),
        ({"force": True}, "no parameters"),
        ({"oem": {"A": 1}}, "no parameters"),
    ],
)
async def test_a_bare_push_that_could_not_say_what_is_wanted_is_not_taken(
    asked: dict[str, Any], why: str, image: Image
) -> None:
    device = service(HttpPushUri=PUSH)
    with pytest.raises(DeviceRefused, match=why):
        await RedfishDriver().update(device, image, **asked)
    assert device.pushed == []


async def test_a_form_says_all_that_is_wanted(image: Image) -> None:
    device = service(MultipartHttpPushUri=f"https://bmc.internal{FORM}", HttpPushUri=PUSH)
    await RedfishDriver().update(
        device, image, TARGETS, apply_time="OnReset", force=True, oem={"Slot": 2}
    )
    ((uri, kind, data),) = device.pushed
    assert uri == FORM
    boundary = kind.partition('boundary="')[2].rstrip('"')
    parts = [part.partition(b"\r\n\r\n") for part in data.split(f"--{boundary}".encode())[1:-1]]
    names = [head.split(b'name="')[1].split(b'"')[0].decode() for head, _, _ in parts]
    assert names == ["UpdateParameters", "OemParameters", "UpdateFile"]
    assert json.loads(parts[0][2]) == {
        "Targets": TARGETS,
        "ForceUpdate": True,
        "@Redfish.OperationApplyTime": "OnReset",
    }
    assert json.loads(parts[1][2]) == {"Slot": 2}
    assert parts[2][2] == b"firmware\r\n"


async def test_a_fetch_names_its_protocol_where_the_device_lists_them() -> None:
    action = {
        "target": PUSH,
        "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS"],
    }
    device = service(Actions={"#UpdateService.SimpleUpdate": action})
    await RedfishDriver().update(device, Image(name="b", uri="https://here/b"))
    assert sent(device) == [{"ImageURI": "https://here/b", "TransferProtocol": "HTTPS"}]


async def test_only_the_image_that_was_planned_is_sent(image: Image) -> None:
    device = service(MultipartHttpPushUri=FORM)
    right = hashlib.sha256(b"firmware").hexdigest().upper()
    await RedfishDriver().update(device, Image(name="b", path=image.path, sha256=right))
    assert len(device.pushed) == 1
    with pytest.raises(OperatorMust) as wrong:
        await RedfishDriver().update(device, Image(name="b", path=image.path, sha256="0" * 64))
    assert wrong.value.code == "ImageChanged"
    device.tree[UPDATE]["MaxImageSizeBytes"] = 7
    with pytest.raises(OperatorMust) as large:
        await RedfishDriver().update(device, image)
    assert large.value.code == "ImageTooLarge"
    with pytest.raises(OperatorMust) as missing:
        await RedfishDriver().update(device, Image(name="b", path=f"{image.path}.none"))
    assert missing.value.code == "ImageUnreadable"
    assert len(device.pushed) == 1


async def test_a_disabled_service_takes_nothing(image: Image) -> None:
    device = service(MultipartHttpPushUri=FORM, ServiceEnabled=False)
    with pytest.raises(DeviceRefused, match="disabled"):
        await RedfishDriver().update(device, image)
