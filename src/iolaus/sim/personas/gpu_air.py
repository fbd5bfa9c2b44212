"""An air-cooled eight-GPU server whose controller speaks both of Redfish's power languages.

The dialect: everything hangs on one chassis and one system named "Embedded.1"; ids are locations
("PSU.Slot.3", "DIMM.Socket.A1"); the GPUs are Processors of the host and PCIe devices of the
chassis; supplies and fans are listed twice, in Power/Thermal and in the newer subsystems; the
power cap exists only in the old one; the firmware inventory names every part twice, as installed
and, for some, as the previous version kept for going back; and much is said under Oem.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, power, service
from iolaus.sim.personas.parts.compute import Cpu, Dimm, Disk, Gpu, Nic
from iolaus.sim.personas.parts.power import Probe, Supply
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    live,
    ok,
    own_label,
    own_name,
    own_serial,
    own_uuid,
    uri,
)

SYSTEM, CHASSIS = "Systems/System.Embedded.1", "Chassis/System.Embedded.1"
MANAGER = "Managers/iDRAC.Embedded.1"
GPUS, CPUS, NICS, DISKS, FANS, PSUS = range(8), range(2), range(8), range(8), range(16), range(6)
OUI = "B0:7B:25"
MAKER = "Dell Inc."
TAG = own_serial("*@####3", "tag")

XEON = Cpu(
    maker="Intel",
    model="Intel(R) Xeon(R) Platinum 8570",
    cores=56,
    threads=112,
    mhz=4000,
    tdp_w=350,
)
H200 = Gpu(
    maker="NVIDIA Corporation",
    model="NVIDIA H200",
    memory_gib=141,
    tdp_w=700,
    min_w=200,
    part="900-2G520-0A40-000",
    serial="165##########",
    firmware="96.00.A5.00.04",
)
DDR5 = Dimm(maker="Hynix Semiconductor", part="HMCG94AGBRA177N", gib=64, mhz=5600)
DISK = Disk(
    maker="SAMSUNG",
    model="Dell DC NVMe PM9A3 RI U.2 3.84TB",
    gb=3840,
    serial="S6#####@######",
    firmware="1.3.0",
)
BOOT = Disk(
    maker="SK hynix",
    model="Dell BOSS-N1 NVMe 960GB",
    gb=960,
    serial="SSB##########",
    firmware="1.2.1",
)
CX7 = Nic(
    maker="NVIDIA",
    model="ConnectX-7 400GbE/NDR IB",
    part="0RXXR4",
    serial="MT24########",
    firmware="28.42.1000",
    oui="94:6D:AE",
)
LOM = Nic(
    maker="Broadcom Inc. and subsidiaries",
    model="BCM57414 NetXtreme-E 10Gb/25Gb",
    part="0Y1R7N",
    serial="MYFLMIT#######",
    firmware="23.02.11.01",
    oui="E4:3D:1A",
    ports=2,
    gbps=25,
    medium="Ethernet",
)
PSU = Supply(
    maker="DELL",
    model="PWR SPLY,2800W,RDNT,LTON",
    part="0VH4H8A01",
    serial="CNLOD00#######",
    watts=2800,
    firmware="00.1D.7D",
)
SENSORS = """
SystemBoardInletTemp      Temperature inlet_c   Intake   42 47
SystemBoardExhaustTemp    Temperature exhaust_c Exhaust  75 80
SystemBoardPwrConsumption Power       node_w    SystemBoard
SystemBoardCPUUsage       Percent     cpu_util  SystemBoard
2x CPU{n}Temp             Temperature cpu_c.{n} CPU      93 98
8x SystemBoardGPU{n}Temp  Temperature gpu_c.{n} GPU      86 92
8x GPU{n}PowerConsumption Power       gpu_w.{n} GPU
8x GPU{n}MemoryTemp       Temperature gpu_mem_c.{n} Memory 95 105
Temperature.DIMM_MAX      Temperature dimm_c    Memory   85 95
16x Fan.Embedded.{n}A     Rotational  fan_rpm.{n} Fan
6x PSU.Slot.{n}_InputPower  Power     psu_in_w.{n}  PowerSupply
6x PSU.Slot.{n}_OutputPower Power     psu_out_w.{n} PowerSupply
6x PS{n}Current1          Current     psu_in_a.{n}  PowerSupply
6x PS{n}Voltage1          Voltage     psu_in_v.{n}  PowerSupply
"""
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService CertificateService"
)


def draw() -> dict[str, Json]:
    s = Sketch(
        ServiceRoot="v1_15_0",
        ComputerSystem="v1_20_1",
        Processor="v1_18_0",
        Power="v1_7_1",
        Thermal="v1_7_1",
        Manager="v1_17_0",
    )
    service.root(
        s,
        redfish="1.18.0",
        product="Integrated Dell Remote Access Controller",
        vendor="Dell",
        expand=True,
        select=True,
        services=SERVICES.split(),
        oem={
            "Dell": {
                "@odata.type": "#DellServiceRoot.v1_0_0.DellServiceRoot",
                "IsBranded": 0,
                "ServiceTag": TAG,
            }
        },
    )
    service.sessions(s)
    service.accounts(s, account="2")
    service.events(s, sse=True, formats=("Event", "MetricReport"))
    service.tasks(s)
    service.certificates(s)
    _system(s)
    _parts(s)
    _chassis(s)
    _power(s)
    _manager(s)
    _firmware(s)
    _telemetry(s)
    return s.finish()


def _oem(name: str, **fields: object) -> Json:
    return {"Dell": {name: {"@odata.type": f"#{name}.v1_2_0.{name}", **fields}}}


def _system(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Computer System Collection")
    s.put(
        SYSTEM,
        "ComputerSystem",
        "System",
        SystemType="Physical",
        Manufacturer=MAKER,
        Model="PowerEdge XE9680",
        SerialNumber=own_serial("CNFCP00#######", "board"),
        PartNumber="0F7GYVA04",
        SKU=TAG,
        AssetTag="",
        UUID=own_uuid("host"),
        HostName=own_name(),
        PowerState="On",
        IndicatorLED="Off",
        BiosVersion="2.6.3",
        ProcessorSummary={"Count": 2, "CoreCount": 112, "LogicalProcessorCount": 224,
                          "Model": XEON.model, "Status": ok(HealthRollup="OK")},
        MemorySummary={"TotalSystemMemoryGiB": 2048, "MemoryMirroring": "System",
                       "Status": ok(HealthRollup="OK")},
        Boot=compute.boot("None", "Pxe", "Floppy", "Cd", "Hdd", "BiosSetup", "UefiTarget",
                          "UefiHttp"),
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])},
        Actions=compute.reset(SYSTEM),
        Status=ok(HealthRollup="OK"),
        Oem=_oem("DellSystem", BIOSReleaseDate="03/12/2026", ChassisServiceTag=TAG,
                 CPURollupStatus="OK", MaxDIMMSlots=32, PopulatedDIMMSlots=32,
                 CurrentRollupStatus="OK", NodeID=TAG),
        below="Processors Memory Storage Bios SecureBoot EthernetInterfaces",
        PCIeDevices=all_at(f"{CHASSIS}/PCIeDevices/{_bus(n)}-0" for n in GPUS),
    )  # fmt: skip


def _bus(n: int) -> int:
    return 27 + 16 * n


def _parts(s: Sketch) -> None:
    for n in CPUS:
        compute.processor(s, f"{SYSTEM}/Processors/CPU.Socket.{n + 1}", n, XEON,
                          socket=f"CPU.Socket.{n + 1}",
                          Oem=_oem("DellProcessor", CPUStatus="CPUEnabled"))  # fmt: skip
    for n in GPUS:
        _gpu(s, n)
    for n in range(32):
        key = f"DIMM.Socket.{'AB'[n // 16]}{n % 16 + 1}"
        compute.module(s, f"{SYSTEM}/Memory/{key}", DDR5, label=key.replace(".Socket.", " "),
                       Links={"Chassis": at(CHASSIS)})  # fmt: skip
    _storage(s)
    compute.ethernet(s, SYSTEM, "NIC.Integrated.1-1-1", oui=LOM.oui)
    compute.ethernet(s, SYSTEM, "NIC.Integrated.1-2-1", oui=LOM.oui)
    compute.bios(s, SYSTEM, {
        "LogicalProc": "Enabled", "ProcVirtualization": "Enabled", "SubNumaCluster": "Disabled",
        "SysProfile": "PerfOptimized", "BootMode": "Uefi", "SecureBoot": "Enabled",
        "TpmSecurity": "On", "SriovGlobalEnable": "Enabled", "NodeInterleave": "Disabled",
        "WorkloadProfile": "NotConfigured", "AcPwrRcvry": "Last", "ProcCStates": "Disabled",
        "MmioAboveBase": "56TB", "EmbSata": "AhciMode",
    })  # fmt: skip
    compute.secure_boot(s, SYSTEM)


def _gpu(s: Sketch, n: int) -> None:
    key, path = f"Video.Slot.{n + 21}-1", f"{SYSTEM}/Processors/Video.Slot.{n + 21}-1"
    card = f"{CHASSIS}/PCIeDevices/{_bus(n)}-0"
    compute.accelerator(s, path, n, H200, below="EnvironmentMetrics",
                        Links={"Chassis": at(CHASSIS), "PCIeDevice": at(card)},
                        Oem=_oem("DellGPUSensor", GPUHealth="OK", ThermalAlertStatus="OK"),
                        )  # fmt: skip
    s.peek(path)["Name"] = f"GPU in slot {n + 21}"
    compute.pcie(s, card, name=key, maker=H200.maker, model="GH100 [H200 SXM 141GB]",
                 SerialNumber=own_serial(H200.serial, path), PartNumber=H200.part,
                 device_class="DisplayController",
                 Links={"Chassis": all_at([CHASSIS]), "Processors": all_at([path])})  # fmt: skip
    s.put(f"{path}/EnvironmentMetrics", "EnvironmentMetrics", f"{key} metrics",
          PowerWatts={"Reading": live(f"gpu_w.{n}")},
          TemperatureCelsius={"Reading": live(f"gpu_c.{n}")})  # fmt: skip


def _storage(s: Sketch) -> None:
    base = f"{SYSTEM}/Storage/CPU.1"
    bays = [f"Disk.Bay.{n}:Enclosure.Internal.0-1" for n in DISKS]
    drives = [compute.drive(s, f"{base}/Drives/{bay}", DISK, bay=bay.split(":")[0],
                            erases=("CryptographicErase",), Links={"Chassis": at(CHASSIS)})
              for bay in bays]  # fmt: skip
    compute.storage(s, base, name="PCIe SSD Subsystem", drives=drives, inline=True,
                    controller="PCIe Extender")  # fmt: skip
    base = f"{SYSTEM}/Storage/BOSS.SL.16-1"
    drives = [compute.drive(s, f"{base}/Drives/Disk.Direct.{n}-{n}", BOOT, bay=f"SSD {n}",
                            Links={"Chassis": at(CHASSIS)}) for n in range(2)]  # fmt: skip
    compute.storage(s, base, name="BOSS-N1 Monolithic", drives=drives, inline=True,
                    controller="BOSS-N1 Monolithic")  # fmt: skip


def _chassis(s: Sketch) -> None:
    s.piece(
        CHASSIS,
        MAKER,
        "PowerEdge XE9680",
        kind="RackMount",
        Name="Computer System Chassis",
        SerialNumber=own_serial("CNFCP00#######", "board"),
        PartNumber="0F7GYVA04",
        SKU=TAG,
        UUID=own_uuid("chassis"),
        IndicatorLED="Off",
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")},
                  "PostalAddress": {"Building": own_label("hall")}},
        Links={"ComputerSystems": all_at([SYSTEM]), "ManagedBy": all_at([MANAGER])},
        Oem=_oem("DellChassis", SystemID=2652, Links={}),
        below="Power Thermal PowerSubsystem ThermalSubsystem Sensors NetworkAdapters "
        "PCIeDevices EnvironmentMetrics",
    )  # fmt: skip
    power.sensors(s, CHASSIS, SENSORS)
    slots = [(f"NIC.Slot.{n + 31}", CX7) for n in NICS] + [("NIC.Integrated.1", LOM)]
    for key, nic in slots:
        compute.adapter(s, f"{CHASSIS}/NetworkAdapters/{key}", nic, Name=key)


def _power(s: Sketch) -> None:
    slots, fans = [f"PSU.Slot.{n + 1}" for n in PSUS], [f"Fan.Embedded.{n + 1}A" for n in FANS]
    power.legacy_power(s, CHASSIS, len(slots), PSU, limit=10200, high=12000, names="PS")
    warmth = [Probe(name="System Board Inlet Temp", value="inlet_c", context="Intake", warn=42,
                    stop=47),
              Probe(name="System Board Exhaust Temp", value="exhaust_c", context="Exhaust",
                    warn=75, stop=80)]  # fmt: skip
    warmth += [Probe(name=f"CPU{n + 1} Temp", value=f"cpu_c.{n}", context="CPU", warn=93, stop=98)
               for n in CPUS]  # fmt: skip
    warmth += [Probe(name=f"System Board GPU{n + 1} Temp", value=f"gpu_c.{n}", context="GPU",
                     warn=86, stop=92) for n in GPUS]  # fmt: skip
    spins = [Probe(name=f"System Board Fan{n + 1}A", value=f"fan_rpm.{n}") for n in FANS]
    power.legacy_thermal(s, CHASSIS, warmth, spins)
    power.supplies(s, CHASSIS, slots, PSU, redundancy=4)
    head = f"{CHASSIS}/Sensors"
    thermal = power.thermal(s, CHASSIS, metrics={"Intake": f"{head}/SystemBoardInletTemp",
                                                 "Exhaust": f"{head}/SystemBoardExhaustTemp"}
                            )  # fmt: skip
    power.fans(s, thermal, fans, sensors=[f"{head}/Fan.Embedded.{n}A" for n in FANS])
    power.environment(s, CHASSIS, PowerWatts=f"{head}/SystemBoardPwrConsumption",
                      TemperatureCelsius=f"{head}/SystemBoardInletTemp")  # fmt: skip


def _manager(s: Sketch) -> None:
    service.manager(
        s, "iDRAC.Embedded.1", model="16G Monolithic", firmware_version="7.20.10.05",
        systems=[SYSTEM], chassis=[CHASSIS], nic="NIC.1", oui=OUI,
        logs={"Sel": [("OK", "Log cleared."), ("OK", "The chassis is closed."),
                      ("Warning", "Power supply redundancy is degraded."),
                      ("OK", "The power supplies are redundant.")],
              "Lclog": [("OK", "A user logged in."), ("OK", "The system was powered up.")]},
        oem=_oem("DelliDRACCard", IPMIVersion="2.0", LastUpdateTime="2026-10-02T08:00:00+00:00"),
    )  # fmt: skip


def _firmware(s: Sketch) -> None:
    def entry(
        number: int, version: str, name: str, *related: str, previous: bool = False
    ) -> Firmware:
        word = "Previous" if previous else "Installed"
        return Firmware(key=f"{word}-{number}-{version}__{name.replace(' ', '.')}", name=name,
                        version=version, maker=None, related=related,
                        release="2026-05-12T00:00:00Z", updateable=not previous)  # fmt: skip

    entries = [
        entry(159, "2.6.3", "BIOS", SYSTEM),
        entry(159, "2.5.4", "BIOS", previous=True),
        entry(25227, "7.20.10.05", "Integrated Dell Remote Access Controller", MANAGER),
        entry(25227, "7.10.50.05", "Integrated Dell Remote Access Controller", previous=True),
        entry(27763, "1.1.3", "System CPLD"),
        entry(104684, "10.3.15.0", "BOSS-N1 Monolithic"),
        entry(28897, "25.06.10", "Dell OS Driver Pack"),
        entry(196, "4301A75", "Dell 64 Bit uEFI Diagnostics"),
        entry(109673, "1.05.1", "GPU Baseboard FPGA"),
    ]
    entries += [
        entry(
            113000 + n,
            PSU.firmware,
            f"PSU.Slot.{n + 1}",
            f"{CHASSIS}/PowerSubsystem/PowerSupplies/PSU.Slot.{n + 1}",
        )
        for n in PSUS
    ]
    entries += [
        entry(
            114000 + n,
            H200.firmware or "",
            f"Video.Slot.{n + 21}-1",
            f"{SYSTEM}/Processors/Video.Slot.{n + 21}-1",
        )
        for n in GPUS
    ]
    entries += [
        entry(
            115000 + n,
            CX7.firmware,
            f"NIC.Slot.{n + 31}",
            f"{CHASSIS}/NetworkAdapters/NIC.Slot.{n + 31}",
        )
        for n in NICS
    ]
    entries += [entry(116000 + n, DISK.firmware, f"Disk.Bay.{n}") for n in DISKS]  # fmt: skip
    service.updates(s, entries, multipart=True, times=flash.DELL.times)


def _telemetry(s: Sketch) -> None:
    watts = [("SystemPowerConsumption", live("node_w_text"),
              uri(f"{CHASSIS}/Sensors/SystemBoardPwrConsumption"))]  # fmt: skip
    service.telemetry(s, {"PowerMetrics": watts})


PERSONAS = (
    Persona(
        name="xe9680-h200",
        title="air-cooled server, 8 GPUs, location-named ids, legacy and modern power",
        kind="node",
        make="Dell",
        model="PowerEdge XE9680",
        height_u=6,
        draw=draw,
        body=Body(
            gpus=8,
            gpu_idle_w=75,
            gpu_max_w=700,
            cpus=2,
            cpu_idle_w=95,
            cpu_max_w=350,
            cpu_mhz=4000,
            base_w=900,
            standby_w=120,
            fans=16,
            fan_min_rpm=3200,
            fan_max_rpm=15800,
            fan_w=1400,
            supplies=6,
        ),
        counts={
            "cpu": 2,
            "gpu": 8,
            "memory": 32,
            "nic": 9,
            "drive": 10,
            "psu": 6,
            "fan": 16,
            "firmware": 39,
        },
        systems=(uri(SYSTEM),),
        caps={uri(f"{CHASSIS}/Power"): "node"},
        flash=flash.DELL,
        options=Options(session_limit=8, session_timeout_s=1800, bmc_reset_s=10),
        quirks={
            "twice": "supplies and fans stand in Power/Thermal and in the newer subsystems",
            "legacy-cap": "the power limit exists only in Power.PowerControl",
            "previous-firmware": "versions kept for going back are listed as Previous-... entries",
            "locations-as-ids": "ids hold colons and dots",
            "sensor-names-from-0": "sensors count fans and supplies from 0, their resources from 1",
        },
    ),
)
