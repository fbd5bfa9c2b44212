"""An air-cooled eight-GPU server with the GPU maker's baseboard behind a host controller.

The dialect: a host system and chassis, both "1", in old resources only (Power, Thermal, no
subsystems), with few links between them and much under Oem; beside them the baseboard's own
system, chassis and manager, relayed under their prefix, modern, with a power limit per GPU. Most
of the host's parts have no link back to where they sit.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, hgx, power, service, trust
from iolaus.sim.personas.parts.compute import Cpu, Dimm, Disk, Gpu, Nic
from iolaus.sim.personas.parts.power import Probe, Supply
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.parts.trust import INVENTORY, TpmRoot
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

SYSTEM, CHASSIS, MANAGER = "Systems/1", "Chassis/1", "Managers/1"
OUI = "3C:EC:EF"
BMC, BOARD_BMC = "01.05.16", "HGX-22.10-1-rc72"
XEON = Cpu(
    maker="Intel(R) Corporation",
    model="INTEL(R) XEON(R) PLATINUM 8558",
    cores=48,
    threads=96,
    mhz=4000,
    tdp_w=330,
)
B200 = Gpu(
    maker="NVIDIA",
    model="NVIDIA B200",
    memory_gib=179,
    tdp_w=1000,
    min_w=200,
    part="2901-886-A1",
    serial="165########",
    firmware="97.00.88.00.03",
)
DDR5 = Dimm(maker="Micron Technology", part="MTC40F2046S1RC56BD1", gib=64, mhz=5600)
DISK = Disk(
    maker="Micron",
    model="Micron_7450_MTFDKCC3T8TFR",
    gb=3840,
    serial="2425########",
    firmware="E2MU200",
)
CX7 = Nic(
    maker="Mellanox Technologies",
    model="ConnectX-7 NDR",
    part="MCX75310AAS-NEAT",
    serial="MT24########",
    firmware="28.43.2026",
    oui="94:6D:AE",
)
BF3 = Nic(
    maker="Mellanox Technologies",
    model="BlueField-3 B3220",
    part="900-9D3B6-00CV-AA0",
    serial="MT24########",
    firmware="32.43.2024",
    oui="A0:88:C2",
    ports=2,
    gbps=200,
    medium="Ethernet",
)
PSU = Supply(
    maker="SUPERMICRO",
    model="PWS-3K05A-1R",
    part="PWS-3K05A-1R",
    serial="P3K05CP########",
    watts=3000,
    firmware="1.1",
)
PSUS, FANS, NICS, DISKS = range(8), range(10), range(8), range(8)
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService CertificateService ComponentIntegrity"
)


def _oem(name: str, **fields: object) -> Json:
    return {"Supermicro": {"@odata.type": f"#{name}.v1_0_2.{name}", **fields}}


ROOTS = hgx.roots(
    {f"GPU_{n}": (hgx.gpu_path(n), [f"HGX_FW_ERoT_GPU_{n}", f"HGX_FW_GPU_{n}"]) for n in range(8)}
    | {"BMC_0": (hgx.MANAGER, ["HGX_FW_ERoT_BMC_0", "HGX_FW_BMC_0"])}
) | {
    "ComponentIntegrity/TPM": TpmRoot(
        chassis=CHASSIS, system=SYSTEM, firmware=f"{INVENTORY}/BIOS", maker="NTC", model="NPCT75x",
        banks=("SHA_1", "SHA_256"), locality=3,
    )
}  # fmt: skip


def draw() -> dict[str, Json]:
    s = Sketch(ServiceRoot="v1_15_0", Power="v1_5_0", Thermal="v1_6_0", ComputerSystem="v1_19_0")
    service.root(s, redfish="1.14.0", product=None, vendor="Supermicro", expand=True,
                 services=SERVICES.split(), oem=_oem("SmcServiceRootExtensions")
                 )  # fmt: skip
    service.sessions(s, timeout_s=300)
    service.accounts(s, account="2")
    service.events(s, sse=False)
    service.tasks(s)
    service.certificates(s)
    _system(s)
    _parts(s)
    _chassis(s)
    hgx.baseboard(s, 8, B200, model="HGX B200 8 GPU", part="935-26287-00A0-000", links=18)
    hgx.relayed_manager(s, BOARD_BMC, oui=OUI)
    trust.draw(s, ROOTS)
    hgx.telemetry(s, 8)
    service.manager(
        s, "1", model="ASPEED", firmware_version=BMC, systems=[SYSTEM], chassis=[CHASSIS], nic="1",
        oui=OUI, manufacturer=None, images=("BMC", "Backup_BMC"),
        logs={"Log1": [("OK", "AC power on."), ("OK", "User login."), ("Warning", "Fan 7 slow.")]},
        oem=_oem("SmcManagerExtensions", FanMode="FullSpeed"),
    )  # fmt: skip
    _firmware(s)
    return s.finish()


def _system(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Computer System Collection")
    s.put(
        SYSTEM, "ComputerSystem", "System", SystemType="Physical", Manufacturer="Supermicro",
        Model="SYS-A22GA-NBRT", SKU="0123456789", PartNumber="SYS-A22GA-NBRT",
        SerialNumber=own_serial("S9145######", "system"), UUID=own_uuid("host"),
        HostName=own_name(), PowerState="On", BiosVersion="1.4b",
        IndicatorLED="Off",
        ProcessorSummary={"Count": 2, "Model": XEON.model, "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": 2048, "Status": ok()},
        Boot=compute.boot("None", "Pxe", "Hdd", "Cd", "Usb", "BiosSetup"),
        Actions=compute.reset(SYSTEM, ("On", "ForceOff", "GracefulShutdown", "GracefulRestart",
                                       "ForceRestart", "Nmi", "ForceOn", "FullPowerCycle")),
        Links={"ManagedBy": all_at([MANAGER])},
        Oem=_oem("SmcSystemExtensions", NodeManager={}),
        Status=ok(),
        below="Processors Memory Storage SimpleStorage Bios SecureBoot EthernetInterfaces "
        "LogServices",
    )  # fmt: skip


def _parts(s: Sketch) -> None:
    for n in range(2):
        compute.processor(s, f"{SYSTEM}/Processors/{n + 1}", n, XEON, socket=f"CPU{n + 1}")
        for slot in range(16):
            label = f"P{n + 1}-DIMM{'ABCDEFGH'[slot // 2]}{slot % 2 + 1}"
            compute.module(s, f"{SYSTEM}/Memory/{16 * n + slot + 1}", DDR5, label=label)
    base = f"{SYSTEM}/Storage/NVMeSSD"
    drives = [compute.drive(s, f"{base}/Drives/NVMe.SSD.Group.0.Slot.{n}", DISK, bay=f"Slot {n}")
              for n in DISKS]  # fmt: skip
    compute.storage(s, base, name="NVMe SSD Storage", drives=drives)
    s.collect(f"{SYSTEM}/SimpleStorage", "SimpleStorage", "Simple Storage Collection")
    compute.ethernet(s, SYSTEM, "1", oui=OUI, mbps=10000)
    compute.ethernet(s, SYSTEM, "2", oui=OUI, mbps=10000)
    compute.bios(s, SYSTEM, {"HyperThreading_003B": "Enable", "VTd_0046": "Enable",
                             "SNC_0064": "Disable", "ACSControl_0123": "Enable",
                             "BootModeSelect_0132": "UEFI", "SRIOVSupport_0061": "Enabled",
                             "RestoreonACPowerLoss_0026": "Last State"})  # fmt: skip
    compute.secure_boot(s, SYSTEM, enabled=False)
    service.log_service(s, f"{SYSTEM}/LogServices", "Log1", [("OK", "System boot.")])


def _chassis(s: Sketch) -> None:
    s.piece(CHASSIS, "Supermicro", "CSE-GP1001TS-R000NP", kind="RackMount", Name="Computer Chassis",
            SerialNumber=own_serial("C1001LN########", "chassis"), PartNumber="CSE-GP1001TS",
            Oem=_oem("SmcChassisExtensions", BoardSerialNumber="OM247S0#####"),
            Links={"ManagedBy": all_at([MANAGER])},
            below="Power Thermal NetworkAdapters PCIeDevices")  # fmt: skip
    power.legacy_power(s, CHASSIS, len(PSUS), PSU, limit=None,
                       names="Power Supply Bay")  # fmt: skip
    for body in s.peek(f"{CHASSIS}/Power")["PowerSupplies"]:
        del body["LineInputVoltageType"]
    warmth = [Probe(name="System Temp", value="inlet_c", context="Intake", warn=85, stop=90)]
    warmth += [Probe(name=f"CPU{n + 1} Temp", value=f"cpu_c.{n}", context="CPU", warn=92, stop=97)
               for n in range(2)]  # fmt: skip
    warmth += [Probe(name=f"GPU{n + 1} Temp", value=f"gpu_c.{n}", context="GPU", warn=90, stop=95)
               for n in range(8)]  # fmt: skip
    spins = [Probe(name=f"FAN{n + 1}", value=f"fan_rpm.{n}", context="Backplane") for n in FANS]
    power.legacy_thermal(s, CHASSIS, warmth, spins)
    for n in NICS:
        compute.adapter(s, f"{CHASSIS}/NetworkAdapters/{n + 1}", CX7)
        compute.pcie(s, f"{CHASSIS}/PCIeDevices/NIC{n + 1}", name=CX7.model, maker=CX7.maker,
                     model=CX7.model)  # fmt: skip
    compute.adapter(s, f"{CHASSIS}/NetworkAdapters/9", BF3)


def _firmware(s: Sketch) -> None:
    entries = [
        Firmware(key="BMC", version=BMC, name="BMC"),
        Firmware(key="BIOS", version="BIOS Date: 08/13/2025 Ver 1.4b", name="BIOS"),
        Firmware(key="Backup_BMC", version="01.05.12", name="Backup BMC", updateable=False),
        Firmware(key="Backup_BIOS", version="BIOS Date: 03/02/2025 Ver 1.3a", updateable=False),
        Firmware(key="CPLD_Motherboard_1", version="F2.AB.18", name="CPLD Motherboard"),
        Firmware(key="CPLD_SwitchBoard_1", version="F1.A3.04", name="CPLD Switch board"),
    ]
    entries += [Firmware(key=f"PSU_{n + 1}", version="1.1 ", name="Power supply") for n in PSUS]
    roots = ["BMC_0", "FPGA_0", *(f"GPU_{n}" for n in range(8)), "NVSwitch_0", "NVSwitch_1"]
    entries += hgx.firmware(8, B200, bmc=BOARD_BMC, roots=roots)
    service.updates(
        s, entries, multipart=True, push=False, start=True, times=flash.SUPERMICRO.times
    )


PERSONAS = (
    Persona(
        name="sys-hgx-b200",
        title="air-cooled server, 8 GPUs on a relayed baseboard, legacy host resources",
        kind="node",
        make="Supermicro",
        model="SYS-A22GA-NBRT",
        height_u=10,
        draw=draw,
        body=Body(
            gpus=8,
            gpu_idle_w=140,
            gpu_max_w=1000,
            cpus=2,
            cpu_idle_w=90,
            cpu_max_w=330,
            cpu_mhz=4000,
            base_w=1100,
            standby_w=140,
            fans=10,
            fan_min_rpm=2800,
            fan_max_rpm=12600,
            fan_w=1800,
            supplies=8,
        ),
        counts={
            "cpu": 2,
            "gpu": 8,
            "memory": 40,
            "nic": 9,
            "drive": 8,
            "psu": 8,
            "fan": 10,
            "firmware": 45,
        },
        systems=(uri(SYSTEM),),
        caps=hgx.caps(8) | {uri(f"{CHASSIS}/Power"): "node"},
        roots=ROOTS,
        flash=flash.SUPERMICRO,
        options=Options(session_limit=16, session_timeout_s=300, bmc_reset_s=10),
        quirks={
            "two-systems": "the GPUs stand on a second ComputerSystem, which is the same machine",
            "links-missing": "neither system nor chassis 1 links to the other",
            "placeholder-sku": "the system's SKU is 0123456789",
            "no-product": "ServiceRoot has no Product",
            "fixed-board-serial": "Oem holds a board serial with its mask left in it",
            "numbered-attributes": "BIOS attribute names end in a number of the setup's own",
            "trailing-blank": "the supplies' firmware version ends in a blank",
            "version-in-a-sentence": "the BIOS version stands behind its date",
            "empty-simple-storage": "SimpleStorage is there and empty",
        },
    ),
)
