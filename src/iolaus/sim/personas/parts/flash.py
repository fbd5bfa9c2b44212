"""What can be flashed, how, and when it counts: makers differ, and so do the tables here.

A `Part` is a kind of component by the ids of its inventory entries. What it runs changes only at
its own moment (`wakes`): at once, when the controller restarts, when the host boots, or when all
power was gone. Seconds are those of hardware; a device lives them faster (`Options.task_s` is
what five minutes take).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass

NOW, CONTROLLER, HOST, MAINS = "now", "controller", "host", "mains"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """`entries` is a glob of inventory ids. With two `banks` the other one is written, shown by
    the entry `backup` if there is one. `floor`: its security version never falls; `downgrade`:
    whether older versions are taken without force. `signed`: only the maker's images are taken.
    `pci`: vendor, device, subsystem vendor and subsystem. `hidden`: nobody knows its version
    while the host is off. `mirrors`: "path#Property" that tell the same version."""

    entries: str
    seconds: float = 120.0
    wakes: str = NOW
    banks: int = 1
    backup: str = ""
    floor: bool = False
    downgrade: bool = True
    signed: bool = True
    pci: Sequence[int] = ()
    hidden: bool = False
    mirrors: Sequence[str] = ()
    classification: int = 0x000A

    def fits(self, entry: str) -> bool:
        return fnmatch.fnmatchcase(entry, self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flash:
    """`iana` is the maker's enterprise number. `times` are the values of OperationApplyTime that it
    knows, the first being its habit (none: it knows none). `tarballs`: archives of OpenBMC are
    taken too. `keeps_tasks`: tasks outlive a restart of the controller. `renames`: an entry's id
    tells its version. `late_s`: so long after activation the inventory shows it.
    `resets_accounts`: a flash of the controller sets its accounts back to the maker's."""

    iana: int
    parts: Sequence[Part]
    times: Sequence[str] = ("Immediate", "OnReset")
    tarballs: bool = False
    keeps_tasks: bool = False
    renames: bool = False
    late_s: float = 0.0
    resets_accounts: bool = False

    def part(self, entry: str) -> Part | None:
        return next((part for part in self.parts if part.fits(entry)), None)


HGX = (
    Part(entries="HGX_FW_BMC_*", seconds=420, wakes=MAINS, banks=2, floor=True,
         mirrors=("Managers/HGX_BMC_0#FirmwareVersion",)),
    Part(entries="HGX_FW_ERoT_*", seconds=90, wakes=MAINS, banks=2, floor=True),
    Part(entries="HGX_FW_GPU_*", seconds=300, wakes=MAINS, banks=2, floor=True,
         pci=(0x10DE, 0x2941, 0x10DE, 0x20B3)),
    Part(entries="HGX_FW_CPU_*", seconds=300, wakes=MAINS, banks=2, floor=True,
         mirrors=("Systems/System_0#BiosVersion",)),
    Part(entries="HGX_FW_*", seconds=240, wakes=MAINS),
)  # fmt: skip
OPENBMC = (
    Part(entries="FW_BMC_0", seconds=300, wakes=CONTROLLER, banks=2, floor=True,
         mirrors=("Managers/BMC_0#FirmwareVersion",)),
    Part(entries="FW_ERoT_*", seconds=90, wakes=MAINS, banks=2, floor=True),
    Part(entries="FW_CX8_*", seconds=180, wakes=HOST, banks=2, pci=(0x15B3, 0x1023, 0x15B3, 0x0051),
         hidden=True),
    Part(entries="FW_BF3_*", seconds=240, wakes=HOST, banks=2, pci=(0x15B3, 0xA2DC, 0x15B3, 0x0009),
         hidden=True),
    Part(entries="FW_BIOS_*", seconds=180, wakes=HOST, banks=2, classification=1),
    Part(entries="FW_*", seconds=120, wakes=MAINS, signed=False),
)  # fmt: skip
NVIDIA = Flash(iana=5703, parts=(*HGX, *OPENBMC), tarballs=True, late_s=20.0)
DPU = Flash(
    iana=33049,
    parts=(
        Part(entries="BMC_Firmware", seconds=240, wakes=CONTROLLER, banks=2, floor=True,
             mirrors=("Managers/Bluefield_BMC#FirmwareVersion",)),
        Part(entries="DPU_OS", seconds=900, wakes=HOST, downgrade=True),
    ),
    tarballs=True,
    resets_accounts=True,
)  # fmt: skip
SUPERMICRO = Flash(
    iana=10876,
    parts=(
        Part(entries="BMC", seconds=420, wakes=CONTROLLER, banks=2, backup="Backup_BMC",
             downgrade=False, mirrors=("Managers/1#FirmwareVersion",)),
        Part(entries="BIOS", seconds=300, wakes=HOST, banks=2, backup="Backup_BIOS",
             mirrors=("Systems/1#BiosVersion",), classification=1),
        Part(entries="CPLD_*", seconds=150, wakes=MAINS, signed=False),
        Part(entries="PSU_*", seconds=200, wakes=NOW, signed=False),
        *HGX,
    ),
    times=("Immediate", "OnStartUpdateRequest"),
    late_s=180.0,
)  # fmt: skip
HPE = Flash(
    iana=11,
    parts=(
        Part(entries="1", seconds=240, wakes=CONTROLLER, banks=1, floor=True,
             mirrors=("Managers/1#FirmwareVersion",)),
        Part(entries="2", seconds=180, wakes=HOST, banks=2, backup="3",
             mirrors=("Systems/1#BiosVersion",), classification=1),
        Part(entries="6", seconds=60, wakes=NOW, signed=False),
    ),
    times=(),
    keeps_tasks=True,
)  # fmt: skip
DELL = Flash(
    iana=674,
    parts=(
        Part(entries="Installed-25227-*", seconds=300, wakes=CONTROLLER, banks=2,
             backup="Previous-25227-*", mirrors=("Managers/iDRAC.Embedded.1#FirmwareVersion",)),
        Part(entries="Installed-159-*", seconds=300, wakes=HOST, banks=2, backup="Previous-159-*",
             mirrors=("Systems/System.Embedded.1#BiosVersion",), classification=1),
        Part(entries="Installed-27763-*", seconds=180, wakes=MAINS),
        Part(entries="*NIC.Slot*", seconds=240, wakes=HOST, hidden=True,
             pci=(0x15B3, 0x1021, 0x15B3, 0x0023)),
        Part(entries="*PSU.Slot*", seconds=200, wakes=HOST),
        Part(entries="*__Dell.*", seconds=60, wakes=NOW, signed=False),
        Part(entries="Installed-*", seconds=200, wakes=HOST),
    ),
    times=("Immediate", "OnReset", "AtMaintenanceWindowStart"),
    keeps_tasks=True,
    renames=True,
    late_s=60.0,
)  # fmt: skip
LENOVO = Flash(
    iana=19046,
    parts=(
        Part(entries="BMC-Primary", seconds=300, wakes=CONTROLLER, banks=2, backup="BMC-Backup",
             floor=True, mirrors=("Managers/1#FirmwareVersion",)),
        Part(entries="UEFI-1", seconds=200, wakes=HOST, mirrors=("Systems/1#BiosVersion",),
             classification=1),
        Part(entries="UEFI-2", seconds=200, wakes=HOST, mirrors=("Systems/2#BiosVersion",),
             classification=1),
        Part(entries="Slot_*", seconds=240, wakes=HOST, hidden=True,
             pci=(0x15B3, 0x1021, 0x15B3, 0x0041)),
        Part(entries="Disk.*", seconds=100, wakes=HOST),
        Part(entries="FPGA-*", seconds=240, wakes=MAINS),
        Part(entries="BMC-Backup", seconds=300, wakes=NOW),
        Part(entries="*", seconds=120, wakes=NOW),
    ),
    times=("Immediate", "OnStartUpdateRequest"),
    keeps_tasks=True,
)  # fmt: skip
GIGABYTE = Flash(
    iana=15370,
    parts=(
        Part(entries="BMCImage1", seconds=480, wakes=CONTROLLER, banks=2, backup="BMCImage2",
             mirrors=("Managers/Self#FirmwareVersion",)),
        Part(entries="BMCImage2", seconds=480, wakes=NOW),
        Part(entries="BIOS", seconds=240, wakes=HOST, mirrors=("Systems/Self#BiosVersion",),
             classification=1),
        Part(entries="OAM_*", seconds=600, wakes=MAINS, floor=True,
             pci=(0x1002, 0x74A5, 0x1002, 0x74A5)),
        Part(entries="NIC_*", seconds=180, wakes=HOST, hidden=True, signed=False,
             pci=(0x14E4, 0x1760, 0x14E4, 0x0001)),
        Part(entries="*", seconds=200, wakes=MAINS, signed=False),
    ),
    resets_accounts=True,
    late_s=120.0,
)  # fmt: skip
PLAIN = Flash(
    iana=40981,
    parts=(
        Part(entries="[PCRbD][MDoCm][CUncm]*", seconds=180, wakes=CONTROLLER, banks=1),
        Part(entries="*", seconds=90, wakes=NOW, signed=False),
    ),
    times=(),
)  # fmt: skip
LEAF = Flash(
    iana=30065,
    parts=(
        Part(entries="bmc", seconds=240, wakes=CONTROLLER, banks=2),
        Part(entries="eos", seconds=300, wakes=MAINS),
        Part(entries="*", seconds=120, wakes=MAINS),
    ),
    times=(),
)
