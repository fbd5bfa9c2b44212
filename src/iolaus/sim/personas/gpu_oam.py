"""An air-cooled server with eight OAM accelerators, where everything is named "Self".

The dialect: system, chassis and manager are called Self; the accelerator tray is a second system
(UBB) whose processors are OAM_0 to OAM_7; power and heat are told in the modern resources only;
power limits are Controls, one for the machine and one per accelerator.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, power, service
from iolaus.sim.personas.parts.compute import Cpu, Dimm, Disk, Gpu, Nic
from iolaus.sim.personas.parts.power import Supply
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    live,
    ok,
    own_name,
    own_serial,
    own_uuid,
    uri,
)

SYSTEM, CHASSIS, MANAGER, TRAY = "Systems/Self", "Chassis/Self", "Managers/Self", "Systems/UBB"
OUI = "74:56:3C"
GPUS, PSUS, FANS, NICS, DISKS = range(8), range(6), range(12), range(8), range(8)
TURIN = Cpu(
    maker="AMD",
    model="AMD EPYC 9575F 64-Core Processor",
    cores=64,
    threads=128,
    mhz=5000,
    tdp_w=400,
)
MI325X = Gpu(
    maker="AMD",
    model="AMD Instinct MI325X OAM",
    memory_gib=256,
    tdp_w=1000,
    min_w=250,
    part="102-G30218-00",
    serial="69245#######",
    firmware="01.25.03.01",
)
DDR5 = Dimm(maker="SK Hynix", part="HMCGY4MHBRB480N", gib=96, mhz=6000)
DISK = Disk(
    maker="SAMSUNG", model="MZWLO3T8HCLS-00A07", gb=3840, serial="S7######", firmware="OPPA4B5Q"
)
THOR = Nic(
    maker="Broadcom",
    model="BCM57608 400GbE",
    part="BCM957608-P1400GDF00",
    serial="P1400########",
    firmware="231.2.63.0",
    oui="84:16:0C",
    medium="Ethernet",
)
PSU = Supply(
    maker="GREAT WALL",
    model="GW-CRPS3000D2W",
    part="GW-CRPS3000D2W",
    serial="2K########",
    watts=3000,
    firmware="PE05",
)
SENSORS = """
Inlet_Temp       Temperature inlet_c   Intake 42 46
Outlet_Temp      Temperature exhaust_c Exhaust
Total_Power      Power       node_w    Chassis
2x CPU{n}_TEMP   Temperature cpu_c.{n} CPU 90 95
2x CPU{n}_POWER  Power       cpu_w.{n} CPU
12x BPB_FAN_{n}  Rotational  fan_rpm.{n} Fan
2x DIMMG{n}_TEMP Temperature dimm_c.{n} Memory 80 85
"""
OAM_SENSORS = """
OAM_{g}_Power    Power       gpu_w.{g} Accelerator
OAM_{g}_Temp     Temperature gpu_c.{g} Accelerator 95 105
OAM_{g}_HBM_Temp Temperature gpu_mem_c.{g} Accelerator 95 105
"""
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService CertificateService"
)


def draw() -> dict[str, Json]:
    s = Sketch(Sensor="v1_6_0", Control="v1_1_0")
    service.root(s, redfish="1.15.1", product="AMI Redfish Server", vendor="Gigabyte", expand=True,
                 services=SERVICES.split(),
                 oem={"Ami": {"@odata.type": "#AMIServiceRoot.v1_0_0.AMIServiceRoot",
                              "RtpVersion": "13.6.0"}})  # fmt: skip
    service.sessions(s)
    service.accounts(s, account="1")
    service.events(s, sse=True)
    service.tasks(s)
    service.certificates(s)
    service.telemetry(s, {})
    _system(s)
    _tray(s)
    _chassis(s)
    service.manager(
        s, "Self", model="AST2600", firmware_version="13.06.11", systems=[SYSTEM, TRAY],
        chassis=[CHASSIS], nic="eth0", oui=OUI, manufacturer="Gigabyte",
        images=("BMCImage1", "BMCImage2"),
        logs={"SEL": [("OK", "System ACPI Power State: S0/G0")]},
    )  # fmt: skip
    _firmware(s)
    return s.finish()


def _system(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Systems Collection")
    s.put(
        SYSTEM, "ComputerSystem", "System", SystemType="Physical", Manufacturer="Giga Computing",
        Model="G893-ZX1-AAX2", SKU="N/A", PartNumber="6NG893ZX1DR000AAX2*",
        SerialNumber=own_serial("GOG#N####A####", "system"), AssetTag="To be filled by O.E.M.",
        UUID=own_uuid("host"), HostName=own_name(), PowerState="On", BiosVersion="R19_F38",
        ProcessorSummary={"Count": 2, "CoreCount": 128, "Model": TURIN.model, "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": 2304, "Status": ok()},
        Boot=compute.boot("None", "Pxe", "Hdd", "Cd", "BiosSetup", "UefiShell"),
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])},
        Actions=compute.reset(SYSTEM, ("On", "ForceOff", "GracefulShutdown", "ForceRestart",
                                       "FullPowerCycle")),
        Status=ok(), below="Processors Memory Storage Bios SecureBoot EthernetInterfaces",
    )  # fmt: skip
    for n in range(2):
        compute.processor(s, f"{SYSTEM}/Processors/{n + 1}", n, TURIN, socket=f"P{n}")
        for slot in range(12):
            path, label = f"{SYSTEM}/Memory/{12 * n + slot + 1}", f"DIMM_P{n}_{chr(65 + slot)}0"
            compute.module(s, path, DDR5, label=label)
    base = f"{SYSTEM}/Storage/NVMe"
    drives = [compute.drive(s, f"{base}/Drives/{n}", DISK, bay=f"NVMe {n}") for n in DISKS]
    compute.storage(s, base, name="NVMe", drives=drives, controller="NVMe Controller")
    compute.ethernet(s, SYSTEM, "EthernetInterface0", oui=OUI, mbps=10000)
    compute.bios(s, SYSTEM, {"CbsCmnCpuSmtCtrl": "Auto", "CbsDfCmnDramNps": "NPS1",
                             "CbsCmnGnbNbIOMMU": "Enabled", "PCIS007": "Enabled",
                             "CbsCmnApbdis": "1", "TCG001": "Enable"})  # fmt: skip
    compute.secure_boot(s, SYSTEM, enabled=False)


def _tray(s: Sketch) -> None:
    s.put(
        TRAY, "ComputerSystem", "UBB", SystemType="Physical", Manufacturer="AMD",
        Model="MI325X UBB", SerialNumber=own_serial("UBB########", "tray"),
        UUID=own_uuid("tray"), PowerState=live("power_state"), Status=ok(),
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])}, below="Processors",
    )  # fmt: skip
    for n in GPUS:
        path, head = f"{TRAY}/Processors/OAM_{n}", f"{CHASSIS}/Sensors/OAM_{n}"
        power.sensors(s, CHASSIS, OAM_SENSORS.replace("{g}", str(n)))
        compute.accelerator(s, path, n, MI325X, below="EnvironmentMetrics",
                            Links={"Chassis": at(CHASSIS)},
                            Location={"PartLocation": {"ServiceLabel": f"OAM {n}"}})  # fmt: skip
        power.environment(s, path, PowerWatts=f"{head}_Power", TemperatureCelsius=f"{head}_Temp")
        power.control(s, CHASSIS, f"OAM_{n}_PowerLimit", low=MI325X.min_w, high=MI325X.tdp_w,
                      at_w=MI325X.tdp_w)  # fmt: skip
        s.field(f"{CHASSIS}/Controls/OAM_{n}_PowerLimit", "RelatedItem", all_at([path]))


def _chassis(s: Sketch) -> None:
    s.piece(CHASSIS, "Giga Computing", "G893-ZX1-AAX2", kind="RackMount", Name="Computer Chassis",
            SerialNumber=own_serial("GOG#N####A####", "system"), AssetTag="N/A",
            Links={"ComputerSystems": all_at([SYSTEM, TRAY]), "ManagedBy": all_at([MANAGER])},
            below="Sensors Controls PowerSubsystem ThermalSubsystem EnvironmentMetrics "
            "NetworkAdapters")  # fmt: skip
    power.sensors(s, CHASSIS, SENSORS)
    power.control(s, CHASSIS, "SystemPowerLimit", low=4000, high=12000, at_w=12000)
    power.supplies(s, CHASSIS, [f"PSU{n}" for n in PSUS], PSU, redundancy=4)
    head = f"{CHASSIS}/Sensors"
    thermal = power.thermal(s, CHASSIS, metrics={"Intake": f"{head}/Inlet_Temp",
                                                 "Exhaust": f"{head}/Outlet_Temp"})  # fmt: skip
    power.fans(s, thermal, [f"BPB_FAN_{n}" for n in FANS],
               sensors=[f"{head}/BPB_FAN_{n}" for n in FANS])  # fmt: skip
    power.environment(s, CHASSIS, PowerWatts=f"{head}/Total_Power",
                      TemperatureCelsius=f"{head}/Inlet_Temp")  # fmt: skip
    for n in NICS:
        compute.adapter(s, f"{CHASSIS}/NetworkAdapters/Slot{n}", THOR)


def _firmware(s: Sketch) -> None:
    entries = [
        Firmware(key="BMCImage1", version="13.06.11", name="BMC image 1"),
        Firmware(key="BMCImage2", version="13.06.09", name="BMC image 2"),
        Firmware(key="BIOS", version="R19_F38", name="BIOS"),
        Firmware(key="CPLD_MB", version="0A", name="Mainboard CPLD"),
        Firmware(key="UBB_SMC", version="01.25.03.01", name="UBB management controller"),
        Firmware(key="UBB_FPGA", version="2.30", name="UBB FPGA"),
        Firmware(key="bundle_active", version="PLDM MI325X 24.18", name="Accelerator bundle"),
    ]
    entries += [
        Firmware(
            key=f"OAM_{n}_IFWI",
            version="00168213",
            maker="AMD",
            related=[f"{TRAY}/Processors/OAM_{n}"],
        )
        for n in GPUS
    ]
    entries += [Firmware(key=f"PSU{n}", version=PSU.firmware) for n in PSUS]
    entries += [Firmware(key=f"NIC_Slot{n}", version=THOR.firmware) for n in NICS]  # fmt: skip
    service.updates(s, entries, multipart=True, times=flash.GIGABYTE.times)


PERSONAS = (
    Persona(
        name="g893-mi325x",
        title="air-cooled server, 8 OAM accelerators, power limits as Controls",
        kind="node",
        make="Gigabyte",
        model="G893-ZX1-AAX2",
        height_u=8,
        draw=draw,
        body=Body(
            gpus=8,
            gpu_idle_w=150,
            gpu_max_w=1000,
            cpus=2,
            cpu_idle_w=100,
            cpu_max_w=400,
            cpu_mhz=5000,
            base_w=1000,
            standby_w=130,
            fans=12,
            fan_min_rpm=3000,
            fan_max_rpm=14500,
            fan_w=1600,
            supplies=6,
        ),
        counts={
            "cpu": 2,
            "gpu": 8,
            "memory": 24,
            "nic": 8,
            "drive": 8,
            "psu": 6,
            "fan": 12,
            "firmware": 29,
        },
        systems=(uri(SYSTEM),),
        caps={uri(f"{CHASSIS}/Controls/OAM_{n}_PowerLimit"): f"gpu.{n}" for n in GPUS}
        | {uri(f"{CHASSIS}/Controls/SystemPowerLimit"): "node"},
        flash=flash.GIGABYTE,
        options=Options(session_limit=10, bmc_reset_s=12),
        quirks={
            "two-systems": "the accelerators stand on a second ComputerSystem of another maker",
            "placeholder-tags": "AssetTag says 'To be filled by O.E.M.', SKU says N/A",
            "part-number-star": "the part number ends in a star",
            "two-images": "the controller's firmware is listed once per flash image",
        },
    ),
)
