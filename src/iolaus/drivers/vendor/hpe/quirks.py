"""GPUs that stand only among the OEM devices of a chassis become Processor resources.

Because: iLO 5 firmware 2.55 and 2.70 on XL675d Gen10 Plus lists eight GPUs as `HpeServerDevice`
with `DeviceType` "GPU" and nowhere else. The same type also marks the GPU baseboard and the
NVLink switches: a GPU is the one that sits in a numbered slot and has a serial of its own.
"""

from __future__ import annotations

from typing import Any, Final

from iolaus.drivers.ports import Payload, Repair

SLOT: Final = "PCI-E Slot "


def gpu_device(_uri: str, payload: Payload) -> Payload:
    """An OEM device that is a GPU, told in the standard's words; anything else as it is."""
    slot, serial = payload.get("Location"), payload.get("SerialNumber")
    if (
        payload.get("DeviceType") != "GPU"
        or not isinstance(slot, str)
        or not isinstance(serial, str)
    ):
        return payload
    if not slot.startswith(SLOT) or not serial.strip():
        return payload
    return {
        **payload,
        "@odata.type": "#Processor.v1_0_0.Processor",
        "ProcessorType": "GPU",
        "Model": payload.get("Name"),
        "PartNumber": payload.get("ProductPartNumber"),
        "FirmwareVersion": _version(payload.get("FirmwareVersion")),
        "Location": {"PartLocation": {"ServiceLabel": slot}},
    }


def _version(said: Any) -> Any:
    current = said.get("Current") if isinstance(said, dict) else None
    return current.get("VersionString") if isinstance(current, dict) else None


REPAIRS: Final[tuple[Repair, ...]] = (gpu_device,)
