"""A GPU baseboard as its maker's own management controller shows it, relayed by the host's BMC.

It stands as a ComputerSystem of its own beside the host, with chassis, sensors, roots of trust
and firmware of its own, all under one prefix. The same baseboard is found in servers of many
makers, which is why it is drawn once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from iolaus.sim.personas.parts import compute, power, service
from iolaus.sim.personas.parts.compute import Gpu
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.parts.trust import COLLECTION, INVENTORY, Root, SpdmRoot
from iolaus.sim.personas.sketch import (
    Sketch,
    all_at,
    at,
    live,
    ok,
    own_serial,
    own_uuid,
    uri,
)

SYSTEM, CHASSIS, MANAGER = "Systems/HGX_Baseboard_0", "Chassis/HGX_Chassis_0", "Managers/HGX_BMC_0"
MAKER = "NVIDIA"
EROT_VERSION = "01.04.0031.0000_n04"

GPU_SENSORS = """
HGX_GPU_{g}_Power_0        Power        gpu_w.{g}     GPU
HGX_GPU_{g}_Temp_0         Temperature  gpu_c.{g}     GPU     85  92
HGX_GPU_{g}_DRAM_0_Temp_0  Temperature  gpu_mem_c.{g} Memory  95  105
HGX_GPU_{g}_DRAM_0_Power_0 Power        gpu_mem_w.{g} Memory
HGX_GPU_{g}_Energy_0       EnergyJoules gpu_j.{g}     GPU
HGX_GPU_{g}_Voltage_0      Voltage      gpu_v.{g}     GPU
"""
BOARD_SENSORS = """
HGX_Chassis_0_TotalGPU_Power_0 Power       gpus_w  GPU
HGX_Chassis_0_TotalHSC_Power_0 Power       board_w -
HGX_BMC_0_Temp_0               Temperature bmc_c   SystemBoard
"""


def baseboard(
    s: Sketch, gpus: int, gpu: Gpu, *, model: str, part: str, links: int, cap: bool = True
) -> None:
    """The system, its chassis, its manager and `gpus` GPUs with `links` NVLink ports each."""
    s.collect("Systems", "ComputerSystem", "Computer System Collection")
    s.put(
        SYSTEM,
        "ComputerSystem",
        "HGX_Baseboard_0",
        SystemType="Physical",
        Manufacturer=MAKER,
        Model="",
        PartNumber=part,
        SerialNumber=own_serial("165##########", "board"),
        UUID=own_uuid("board"),
        PowerState=live("power_state"),
        ProcessorSummary={"Count": None, "CoreCount": 0, "Model": "", "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": gpus * gpu.memory_gib, "Status": ok()},
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])},
        Status=ok(HealthRollup="OK"),
        below="Processors Memory",
    )
    relayed = {"ComputerSystems": all_at([SYSTEM]), "ManagedBy": all_at([MANAGER])}
    s.piece(CHASSIS, MAKER, model, kind="Module", PartNumber=part, Links=relayed,
            below="Sensors EnvironmentMetrics")  # fmt: skip
    power.sensors(s, CHASSIS, BOARD_SENSORS)
    power.environment(s, CHASSIS, PowerWatts=f"{CHASSIS}/Sensors/HGX_Chassis_0_TotalGPU_Power_0")
    for n in range(gpus):
        _gpu(s, n, gpu, links=links, cap=cap)


def _gpu(s: Sketch, n: int, gpu: Gpu, *, links: int, cap: bool) -> None:
    where, path, memory = f"Chassis/HGX_GPU_{n}", gpu_path(n), f"{SYSTEM}/Memory/GPU_{n}_DRAM_0"
    s.piece(where, MAKER, gpu.model, PartNumber=gpu.part, below="Sensors PCIeDevices",
            Links={"Processors": all_at([path])})  # fmt: skip
    card = f"{where}/PCIeDevices/GPU_{n}"
    compute.pcie(s, card, name=f"GPU_{n}", maker=MAKER, model=gpu.model,
                 device_class="ProcessingAccelerators",
                 Links={"Chassis": all_at([where]), "Processors": all_at([path])})  # fmt: skip
    power.sensors(s, where, GPU_SENSORS.replace("{g}", str(n)))
    place = {"LocationType": "Embedded", "ServiceLabel": f"GPU {n}"}
    compute.accelerator(s, path, n, gpu, below="EnvironmentMetrics Ports",
                        Location={"PartLocation": place},
                        Links={"Chassis": at(where), "Memory": all_at([memory])})  # fmt: skip
    head, top = f"{where}/Sensors/HGX_GPU_{n}", gpu.tdp_w
    limit = {"SetPoint": top, "AllowableMin": gpu.min_w, "AllowableMax": top,
             "DefaultSetPoint": top}  # fmt: skip
    power.environment(s, path, name=f"GPU_{n} Environment Metrics", reset=cap,
                      PowerWatts=f"{head}_Power_0", TemperatureCelsius=f"{head}_Temp_0",
                      EnergyJoules=f"{head}_Energy_0", limit=limit if cap else None)  # fmt: skip
    s.collect(f"{path}/Ports", "Port", "NVLink Port Collection")
    for link in range(links):
        s.put(f"{path}/Ports/NVLink_{link}", "Port", f"NVLink_{link}", PortProtocol="NVLink",
              PortType="BidirectionalPort", CurrentSpeedGbps=400, MaxSpeedGbps=400,
              LinkState="Enabled", LinkStatus="LinkUp", Status=ok())  # fmt: skip
    s.collect(f"{SYSTEM}/Memory", "Memory", "Memory Module Collection")
    s.put(memory, "Memory", "DIMM Slot", MemoryType="DRAM", MemoryDeviceType="HBM3",
          CapacityMiB=gpu.memory_gib * 1024, OperatingSpeedMhz=3996, Manufacturer="",
          ErrorCorrection="SingleBitECC", PartNumber=gpu.part, Status=ok(),
          Links={"Chassis": at(where), "Processors": all_at([path])})  # fmt: skip


def gpu_path(n: int) -> str:
    return f"{SYSTEM}/Processors/GPU_{n}"


def relayed_manager(s: Sketch, version: str, *, oui: str) -> None:
    """The baseboard's own controller, with the same addresses on every board."""
    service.manager(s, "HGX_BMC_0", model="OpenBmc", firmware_version=version, manufacturer=MAKER,
                    systems=[SYSTEM], chassis=[CHASSIS], nic="usb0", oui=oui,
                    name="HGX OpenBmc Manager",
                    logs={"Journal": [("OK", "All endpoints of the baseboard answer.")]}
                    )  # fmt: skip
    port = s.peek(f"{MANAGER}/EthernetInterfaces/usb0")
    port["MACAddress"] = port["PermanentMACAddress"] = "02:00:00:00:00:01"
    port["IPv4Addresses"] = [
        {
            "Address": "192.168.31.1",
            "AddressOrigin": "Static",
            "SubnetMask": "255.255.0.0",
            "Gateway": "192.168.31.2",
        }
    ]


def firmware(gpus: int, gpu: Gpu, *, bmc: str, roots: Sequence[str]) -> list[Firmware]:
    entries = [
        Firmware(key="HGX_FW_BMC_0", version=bmc, maker=MAKER),
        Firmware(key="HGX_FW_CPLD_0", version="0.1C", maker=MAKER),
        Firmware(key="HGX_FW_FPGA_0", version="1.60", maker=MAKER),
    ]
    entries += [
        Firmware(key=f"HGX_FW_ERoT_{root}", version=EROT_VERSION, maker=MAKER) for root in roots
    ]
    for n in range(gpus):
        about = [gpu_path(n)]
        entries += [
            Firmware(key=f"HGX_FW_GPU_{n}", version=gpu.firmware, maker=MAKER, related=about),
            Firmware(key=f"HGX_InfoROM_GPU_{n}", version="G548.0225.00.01", maker=MAKER,
                     updateable=False, related=about),
        ]  # fmt: skip
    return entries


def roots(protected: Mapping[str, tuple[str, Sequence[str]]]) -> dict[str, Root]:
    """Roots of trust that can be asked for signed measurements; name -> what each protects, and
    which firmware it measures besides its own. A GPU's takes its time."""
    found: dict[str, Root] = {}
    for key, (what, firmware) in protected.items():
        gpu = key.startswith("GPU_")
        found[f"{COLLECTION}/HGX_ERoT_{key}"] = SpdmRoot(
            chassis=f"Chassis/HGX_ERoT_{key}",
            protects=what,
            firmware=[f"{INVENTORY}/{entry}" for entry in firmware],
            requester=MANAGER,
            opaque="tlv" if gpu else "",
            task=gpu,
        )
    return found


def telemetry(s: Sketch, gpus: int) -> None:
    values = []
    for n in range(gpus):
        head = f"Chassis/HGX_GPU_{n}/Sensors/HGX_GPU_{n}"
        values.append(("PowerWatts", live(f"gpu_w_text.{n}"), uri(f"{head}_Power_0")))
        values.append(("TemperatureCelsius", live(f"gpu_c_text.{n}"), uri(f"{head}_Temp_0")))
    service.telemetry(s, {"HGX_PlatformEnvironmentMetrics_0": values})


def caps(gpus: int) -> dict[str, str]:
    """Which resource caps which GPU."""
    return {uri(f"{gpu_path(n)}/EnvironmentMetrics"): f"gpu.{n}" for n in range(gpus)}
