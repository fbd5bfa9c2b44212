"""A two-socket host without accelerators, in a dialect where everything is named "1".

The dialect: links end in a slash; one system, one chassis and one manager, each with the id 1;
memory slots are listed whether filled or not; supplies and fans stand only in Power and Thermal,
fan speeds in percent; firmware entries are numbered; more is said under Oem than beside it.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, power, service
from iolaus.sim.personas.parts.compute import Cpu, Dimm, Disk, Nic
from iolaus.sim.personas.parts.power import Probe, Supply
from iolaus.sim.personas.parts.service import Firmware
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
OUI = "94:40:C9"
SERIAL = own_serial("2M2534@@##", "system")
GENOA = Cpu(
    maker="Advanced Micro Devices, Inc.",
    model="AMD EPYC 9654 96-Core Processor",
    cores=96,
    threads=192,
    mhz=3700,
    tdp_w=360,
)
DDR5 = Dimm(maker="HPE", part="P64706-B21", gib=64, mhz=4800, serial="1D##@###")
DISK = Disk(
    maker="KIOXIA",
    model="VO003840KXPTU",
    gb=3840,
    serial="#############",
    firmware="HPK3",
)
OCP = Nic(
    maker="Mellanox",
    model="MCX631432AS-ADAI HPE Ethernet 10/25Gb 2-port",
    part="P42044-B21",
    serial="IL2534####",
    firmware="26.41.1000",
    oui="9C:63:C0",
    ports=2,
    gbps=25,
    medium="Ethernet",
)
IB = Nic(
    maker="Mellanox",
    model="HPE InfiniBand NDR 1-port 400Gb",
    part="P45641-B23",
    serial="IL2534####",
    firmware="28.41.1000",
    oui="94:6D:AE",
)
PSU = Supply(
    maker="LTEON",
    model="P38997-B21",
    part="P39385-001",
    serial="5XUWM########",
    watts=1600,
    firmware="1.00",
)
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService CertificateService"
)
STACK = (
    ("iLO 6", "1.62 Oct 02 2025"),
    ("System ROM", "A55 v2.16 (03/01/2025)"),
    ("Redundant System ROM", "A55 v2.10 (10/31/2024)"),
    ("Server Platform Services (SPS) Firmware", None),
    ("Intelligent Platform Abstraction Data", "10.6.0 Build 12"),
    ("System Programmable Logic Device", "0x1C"),
    ("Power Management Controller Firmware", "1.0.4"),
    ("Power Supply Firmware", "1.00"),
    ("Power Supply Firmware", "1.00"),
    ("HPE Ethernet 10/25Gb 2-port", "26.41.1000"),
    ("HPE InfiniBand NDR 1-port 400Gb", "28.41.1000"),
    ("NVMe Drive", "HPK3"),
    ("NVMe Drive", "HPK3"),
    ("NVMe Drive", "HPK3"),
    ("NVMe Drive", "HPK3"),
    ("NVMe Backplane Firmware", "1.24"),
    ("TPM Firmware", "7.2.3.1"),
    ("Embedded Video Controller", "2.5"),
)


def _oem(name: str, **fields: object) -> Json:
    return {"Hpe": {"@odata.type": f"#{name}.v2_1_0.{name}", **fields}}


def draw() -> dict[str, Json]:
    s = Sketch(slash=True, Power="v1_5_0", Thermal="v1_7_1", Memory="v1_16_0")
    service.root(s, redfish="1.20.0", product="ProLiant DL365 Gen11", vendor="HPE", select=True,
                 services=SERVICES.split(),
                 oem=_oem("HpeiLOServiceExt", Manager=[{"ManagerType": "iLO 6"}]))  # fmt: skip
    s.peek("")["ProtocolFeaturesSupported"]["OnlyMemberQuery"] = True
    service.sessions(s)
    service.accounts(s, account="1")
    service.events(s, sse=True)
    service.tasks(s)
    service.certificates(s)
    service.telemetry(s, {})
    _system(s)
    _parts(s)
    _chassis(s)
    service.manager(
        s, "1", model="iLO 6", firmware_version="iLO 6 v1.62", systems=[SYSTEM],
        chassis=[CHASSIS], nic="1", oui=OUI,
        logs={"IEL": [("OK", "Browser login."), ("OK", "Firmware reset.")]},
        oem=_oem("HpeiLO", Firmware={"Current": {"VersionString": "iLO 6 v1.62"}}),
    )  # fmt: skip
    entries = [Firmware(key=str(n), name=name, version=version, updateable=n in (1, 2, 6))
               for n, (name, version) in enumerate(STACK, start=1)]  # fmt: skip
    service.updates(s, entries, multipart=True)
    return s.finish()


def _system(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Computer Systems")
    s.put(
        SYSTEM, "ComputerSystem", "Computer System", SystemType="Physical", Manufacturer="HPE",
        Model="ProLiant DL365 Gen11", SKU="P51930-B21", SerialNumber=SERIAL, AssetTag="",
        UUID=own_uuid("host"), HostName=own_name(), PowerState="On", IndicatorLED="Off",
        BiosVersion="A55 v2.16 (03/01/2025)",
        ProcessorSummary={"Count": 2, "CoreCount": 192, "Model": GENOA.model,
                          "Status": {"HealthRollup": "OK"}},
        MemorySummary={"TotalSystemMemoryGiB": 768, "Status": {"HealthRollup": "OK"}},
        Boot=compute.boot("None", "Cd", "Hdd", "Usb", "Utilities", "Diags", "BiosSetup", "Pxe",
                          "UefiHttp", order=4),
        PowerRestorePolicy="LastState",
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at([MANAGER])},
        Actions=compute.reset(SYSTEM, ("On", "ForceOff", "GracefulShutdown", "ForceRestart",
                                       "Nmi", "PushPowerButton", "GracefulRestart")),
        Oem=_oem("HpeComputerSystemExt", PostState="FinishedPost", CurrentPowerOnTimeSeconds=None,
                 PowerRegulatorMode="Max", ServerFQDN=""),
        Status=ok(HealthRollup="OK"),
        below="Processors Memory Storage Bios SecureBoot EthernetInterfaces LogServices",
    )  # fmt: skip


def _parts(s: Sketch) -> None:
    for n in range(2):
        compute.processor(s, f"{SYSTEM}/Processors/{n + 1}", n, GENOA, socket=f"Proc {n + 1}")
        for slot in range(1, 13):
            path, label = f"{SYSTEM}/Memory/proc{n + 1}dimm{slot}", f"PROC {n + 1} DIMM {slot}"
            if slot % 2:
                compute.module(s, path, DDR5, label=label)
            else:
                compute.empty_slot(s, path, label=label)
    base = f"{SYSTEM}/Storage/DA000000"
    ways = ("Overwrite", "CryptographicErase")
    drives = [compute.drive(s, f"{base}/Drives/DA00000{n}", DISK, bay=f"Port=1A:Box=1:Bay={n + 1}",
                            erases=ways) for n in range(4)]  # fmt: skip
    compute.storage(s, base, name="NVMe Storage System", drives=drives, controller="NVMe")
    for n in range(2):
        compute.ethernet(s, SYSTEM, str(n + 1), oui=OCP.oui)
    compute.bios(s, SYSTEM, {"WorkloadProfile": "HighPerformanceCompute(HPC)", "ProcSMT": "Enabled",
                             "NumaGroupSizeOpt": "Flat", "Sriov": "Enabled",
                             "TpmState": "PresentEnabled",
                             "PowerRegulator": "StaticHighPerf", "AutoPowerOn": "RestoreLastState",
                             "MemClearWarmReset": "Disabled", "BootMode": "Uefi"})  # fmt: skip
    compute.secure_boot(s, SYSTEM, enabled=False)
    service.log_service(s, f"{SYSTEM}/LogServices", "IML",
                        [("OK", "IML Cleared (iLO 6 user:Administrator)"),
                         ("Warning", "Embedded NIC 1 Port 2 link down.")])  # fmt: skip


def _chassis(s: Sketch) -> None:
    s.piece(CHASSIS, "HPE", "ProLiant DL365 Gen11", kind="RackMount", Name="Server Chassis",
            SKU="P51930-B21", SerialNumber=SERIAL, IndicatorLED="Off",
            Links={"ComputerSystems": all_at([SYSTEM]), "ManagedBy": all_at([MANAGER])},
            Oem=_oem("HpeServerChassis", MCTPEnabledOnServer=True),
            below="Power Thermal NetworkAdapters PCIeDevices")  # fmt: skip
    power.legacy_power(s, CHASSIS, 2, PSU, limit=None, names="HpeServerPowerSupply")
    warmth = [Probe(name="01-Inlet Ambient", value="inlet_c", context="Intake", warn=42, stop=47)]
    warmth += [Probe(name=f"{n + 2:02}-CPU {n + 1}", value=f"cpu_c.{n}", context="CPU", warn=70,
                     stop=95) for n in range(2)]  # fmt: skip
    warmth += [Probe(name=f"{n + 4:02}-P{n + 1} DIMM 1-12", value=f"dimm_c.{n}", warn=85, stop=95)
               for n in range(2)]  # fmt: skip
    warmth += [Probe(name=f"{n + 6:02}-NVMe {n + 1}", value=f"disk_c.{n}", warn=70, stop=77)
               for n in range(4)]  # fmt: skip
    spins = [Probe(name=f"Fan {n + 1}", value=f"fan_pct.{n}") for n in range(8)]
    power.legacy_thermal(s, CHASSIS, warmth, spins, unit="Percent")
    for key, nic in (("DC08A000", OCP), ("DC07A000", IB)):
        compute.adapter(s, f"{CHASSIS}/NetworkAdapters/{key}", nic, Name=nic.model)
        compute.pcie(s, f"{CHASSIS}/PCIeDevices/{key}", name=nic.model, maker=nic.maker,
                     model=nic.model, SerialNumber=own_serial(nic.serial, key),
                     Links={"Chassis": all_at([CHASSIS])})  # fmt: skip


PERSONAS = (
    Persona(
        name="dl365-cpu",
        title="two-socket CPU host, numbered ids, legacy power and thermal only",
        kind="node",
        make="HPE",
        model="ProLiant DL365 Gen11",
        height_u=1,
        draw=draw,
        body=Body(
            cpus=2,
            cpu_idle_w=70,
            cpu_max_w=360,
            cpu_mhz=3700,
            base_w=180,
            standby_w=22,
            fans=8,
            fan_min_rpm=4000,
            fan_max_rpm=18000,
            fan_w=120,
            supplies=2,
        ),
        counts={
            "cpu": 2,
            "memory": 12,
            "nic": 2,
            "drive": 4,
            "psu": 2,
            "fan": 8,
            "firmware": 18,
        },
        systems=(uri(SYSTEM),),
        caps={uri(f"{CHASSIS}/Power"): "node"},
        flash=flash.HPE,
        options=Options(session_limit=12, session_timeout_s=1800, bmc_reset_s=12),
        quirks={
            "slashes": "every link ends in a slash",
            "empty-slots": "memory slots without a module are listed as absent",
            "percent-fans": "fan readings are percentages",
            "numbered-firmware": "firmware ids are numbers; names repeat; one version is missing",
            "no-expand": "no $expand is offered",
            "rollup-without-health": "summaries have HealthRollup and no Health",
        },
    ),
)
