"""A data processing unit's own controller: a small computer on a card inside somebody's server.

It is a machine of its own to whoever manages it: a ComputerSystem of type DPU with its Arm cores,
memory and flash, a chassis that is the card, and a firmware inventory of the whole software
stack, some of which is known only while the card's operating system runs.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, power, service, trust
from iolaus.sim.personas.parts.compute import Cpu, Disk, Nic
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.parts.trust import COLLECTION, INVENTORY, SpdmRoot
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    ok,
    own_name,
    own_serial,
    own_uuid,
    uri,
)

SYSTEM, CHASSIS, MANAGER = "Systems/Bluefield", "Chassis/Card1", "Managers/Bluefield_BMC"
OUI = "A0:88:C2"
CORES = Cpu(
    maker="ARM",
    model="Cortex-A78AE",
    cores=16,
    threads=16,
    mhz=2135,
    tdp_w=60,
    architecture="ARM",
    instructions="ARM-A64",
)
FLASH = Disk(
    maker="Micron",
    model="MTFDKBA128TFR",
    gb=128,
    serial="24##########",
    firmware="P1MA203",
)
PORTS = Nic(
    maker="NVIDIA",
    model="BlueField-3 B3240",
    part="900-9D3B6-00CN-PA0",
    serial="MT24########",
    firmware="32.43.2024",
    oui=OUI,
    ports=2,
    medium="Ethernet",
)
SENSORS = """
bluefield_temp Temperature nic_c  NetworkingDevice 95 105
ddr_temp       Temperature dimm_c Memory           90 95
p0_temp        Temperature disk_c.0 Transceiver    70 75
p1_temp        Temperature disk_c.1 Transceiver    70 75
soc_power      Power       node_w SystemBoard
12V_ATX        Voltage     psu_out_v SystemBoard
"""
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "ComponentIntegrity"
)
STACK = {
    "BMC_Firmware": "BF-25.04-7",
    "Bluefield_FW_ERoT": "00.02.0187.0000_n02",
    "DPU_ATF": "v2.2(release):4.11.0-18",
    "DPU_BOARD": "MT_0000000884",
    "DPU_BSP": "4.11.0.13611",
    "DPU_NIC": "32.43.2024",
    "DPU_NODE": "a088:c203:00b4:2e10",
    "DPU_OFED": "MLNX_OFED_LINUX-25.01-0.6.0",
    "DPU_OS": "bf-bundle-3.0.0-135_25.04_ubuntu-22.04_prod",
    "DPU_SYS_IMAGE": "a088:c203:00b4:2e10",
    "DPU_UEFI": "4.11.0-15-g1f3a8a5",
    "golden_image_arm": "4.9.3.13551",
}


ROOTS = {
    f"{COLLECTION}/Bluefield_ERoT": SpdmRoot(
        chassis="Chassis/Bluefield_ERoT",
        protects=MANAGER,
        firmware=[f"{INVENTORY}/Bluefield_FW_ERoT", f"{INVENTORY}/BMC_Firmware"],
        requester=MANAGER,
        version="1.2",
    ),
    f"{COLLECTION}/Bluefield_DPU_IRoT": SpdmRoot(
        chassis="Chassis/Bluefield_DPU_IRoT",
        protects=SYSTEM,
        firmware=[f"{INVENTORY}/{key}" for key in ("DPU_ATF", "DPU_UEFI", "DPU_NIC")],
        requester=MANAGER,
        model="BlueField-3 PSC",
        version="1.3",
        signing="ECDSA_P256",
        hashing="SHA_256",
        slots=(0, 1),
        raw=True,
        opaque="plain",
    ),
}


def draw() -> dict[str, Json]:
    s = Sketch()
    service.root(s, redfish="1.17.0", product="BlueField-3 DPU", vendor="Nvidia", expand=True,
                 services=SERVICES.split())  # fmt: skip
    service.sessions(s)
    service.accounts(s)
    service.events(s, sse=False)
    service.tasks(s)
    _card(s)
    _system(s)
    service.manager(s, "Bluefield_BMC", model="OpenBmc", firmware_version="BF-25.04-7",
                    systems=[SYSTEM], chassis=[CHASSIS], nic="eth0", oui=OUI,
                    manufacturer="NVIDIA", name="OpenBmc Manager",
                    logs={"Journal": [("OK", "BMC started")]})  # fmt: skip
    entries = [Firmware(key=key, version=version, updateable=key in ("BMC_Firmware", "DPU_OS"))
               for key, version in STACK.items()]  # fmt: skip
    service.updates(s, entries, multipart=True, times=flash.DPU.times)
    trust.draw(s, ROOTS)
    return s.finish()


def _card(s: Sketch) -> None:
    s.piece(CHASSIS, "NVIDIA", PORTS.model, kind="Card", PartNumber=PORTS.part,
            SerialNumber=own_serial(PORTS.serial, "card"), UUID=own_uuid("card"),
            Links={"ComputerSystems": all_at([SYSTEM]), "ManagedBy": all_at([MANAGER])},
            below="Sensors NetworkAdapters EnvironmentMetrics")  # fmt: skip
    power.sensors(s, CHASSIS, SENSORS)
    power.environment(s, CHASSIS, PowerWatts=f"{CHASSIS}/Sensors/soc_power",
                      TemperatureCelsius=f"{CHASSIS}/Sensors/bluefield_temp")  # fmt: skip
    compute.adapter(s, f"{CHASSIS}/NetworkAdapters/NvidiaNetworkAdapter", PORTS)


def _system(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Computer System Collection")
    s.put(
        SYSTEM, "ComputerSystem", "Bluefield", SystemType="DPU", Manufacturer="NVIDIA",
        Model=PORTS.model, PartNumber=PORTS.part, SKU="B3240",
        SerialNumber=own_serial(PORTS.serial, "card"), UUID=own_uuid("host"),
        HostName=own_name(), PowerState="On", BiosVersion=STACK["DPU_UEFI"],
        ProcessorSummary={"Count": 1, "CoreCount": 16, "Model": CORES.model, "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": 32, "Status": ok()},
        Boot=compute.boot("None", "Pxe", "UefiHttp", "UefiTarget"),
        BootProgress={"LastState": "OSRunning"},
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])},
        Actions=compute.reset(SYSTEM, ("On", "ForceOff", "GracefulRestart", "ForceRestart")),
        Status=ok(HealthRollup="OK"),
        below="Processors Memory Storage Bios SecureBoot EthernetInterfaces",
    )  # fmt: skip
    compute.processor(s, f"{SYSTEM}/Processors/CPU_0", 0, CORES, socket="SoC")
    s.collect(f"{SYSTEM}/Memory", "Memory", "Memory Module Collection")
    s.put(f"{SYSTEM}/Memory/Onboard_0", "Memory", "On-board DDR5", MemoryType="DRAM",
          MemoryDeviceType="DDR5", CapacityMiB=32768, OperatingSpeedMhz=5200,
          ErrorCorrection="MultiBitECC", Status=ok())  # fmt: skip
    path = f"{SYSTEM}/Storage/1"
    drives = [compute.drive(s, f"{path}/Drives/nvme0", FLASH, bay="nvme0")]
    compute.storage(s, path, name="Flash", drives=drives)
    compute.ethernet(s, SYSTEM, "oob_net0", oui=OUI, mbps=1000)
    compute.bios(s, SYSTEM, {"HostPrivilegeLevel": "Privileged", "NicMode": "DpuMode",
                             "InternalCPUModel": "Embedded", "SPCR_UART": "Enabled"}
                 )  # fmt: skip
    compute.secure_boot(s, SYSTEM)


PERSONAS = (
    Persona(
        name="bluefield-dpu",
        title="data processing unit with its own management controller",
        kind="dpu",
        make="NVIDIA",
        model="BlueField-3 B3240",
        height_u=0,
        draw=draw,
        body=Body(cpus=1, cpu_idle_w=30, cpu_max_w=75, cpu_mhz=2135, base_w=45, standby_w=12),
        counts={"cpu": 1, "memory": 1, "nic": 1, "drive": 1, "firmware": 12},
        systems=(uri(SYSTEM),),
        roots=ROOTS,
        flash=flash.DPU,
        options=Options(session_limit=16),
        quirks={
            "lower-case-vendor": "ServiceRoot.Vendor is spelt Nvidia, the rest NVIDIA",
            "stack-as-firmware": "board ids and GUIDs are listed as firmware versions",
        },
    ),
)
