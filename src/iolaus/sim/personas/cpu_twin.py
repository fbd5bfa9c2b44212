"""A twin: two hosts in one enclosure behind one management controller.

Two ComputerSystems, each with its own processors, memory, drive and adapter; one chassis around
both with the shared supplies and fans, and one per node within it. The controller is one, so one
endpoint is two machines: whoever reads it must not count them as one, nor the supplies twice.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, power, service
from iolaus.sim.personas.parts.compute import Cpu, Dimm, Disk, Nic
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

NODES, MANAGER, ENCLOSURE = (1, 2), "Managers/1", "Chassis/1"
OUI = "08:3A:88"
MODEL, TYPE = "ThinkSystem SD665 V3", "7D9PCTO1WW"
EPYC = Cpu(
    maker="Advanced Micro Devices, Inc.",
    model="AMD EPYC 9755 128-Core Processor",
    cores=128,
    threads=256,
    mhz=4100,
    tdp_w=500,
)
DDR5 = Dimm(maker="Samsung", part="M321R8GA0PB0-CWMKJ", gib=64, mhz=5600, serial="********")
DISK = Disk(
    maker="Solidigm", model="SSDPF2KX019T1", gb=1920, serial="PHAX########", firmware="9CV1R490"
)
NDR = Nic(
    maker="Nvidia",
    model="ThinkSystem NVIDIA ConnectX-7 NDR OSFP400 1-Port",
    part="SN37B23798",
    serial="MT24########",
    firmware="28.42.1274",
    oui="94:6D:AE",
)
PSU = Supply(
    maker="DELTA",
    model="SP57A14723",
    part="SP57A14723",
    serial="A2DF########",
    watts=2400,
    firmware="14.20",
)
SENSORS = """
Ambient_Temp       Temperature inlet_c      Intake 43 47
Enclosure_Power    Power       node_w       Chassis
6x Fan_{n}_Tach    Rotational  fan_rpm.{n}  Fan
2x PSU_{n}_InPower Power       psu_in_w.{n} PowerSupply
"""
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService CertificateService"
)


def draw() -> dict[str, Json]:
    s = Sketch(Processor="v1_19_0", Memory="v1_18_0")
    service.root(s, redfish="1.17.0", product=MODEL, vendor="Lenovo", expand=True,
                 services=SERVICES.split(),
                 oem={"Lenovo": {"@odata.type": "#LenovoServiceRoot.v1_0_0.LenovoServiceRoot"}}
                 )  # fmt: skip
    service.sessions(s)
    service.accounts(s, account="1")
    service.events(s, sse=True)
    service.tasks(s)
    service.certificates(s)
    service.telemetry(s, {})
    _enclosure(s)
    for node in NODES:
        _node(s, node)
        _node_parts(s, node)
    systems = [f"Systems/{node}" for node in NODES]
    service.manager(s, "1", model="XClarity Controller 3", firmware_version="AFBT58B 4.20",
                    systems=systems, chassis=[ENCLOSURE], nic="NIC", oui=OUI,
                    manufacturer="Lenovo", images=("BMC-Primary", "BMC-Backup"),
                    logs={"PlatformLog": [("OK", f"Node {n} powered on.") for n in NODES]}
                    )  # fmt: skip
    _firmware(s)
    return s.finish()


def _enclosure(s: Sketch) -> None:
    s.piece(ENCLOSURE, "Lenovo", "ThinkSystem DW612S", kind="Enclosure", Name="Enclosure",
            SKU="7D1LCTO1WW", SerialNumber=own_serial("J30#####", "enclosure"),
            Links={"ManagedBy": all_at([MANAGER]),
                   "Contains": all_at(f"Chassis/Node{node}" for node in NODES)},
            below="Sensors PowerSubsystem ThermalSubsystem EnvironmentMetrics")  # fmt: skip
    power.sensors(s, ENCLOSURE, SENSORS)
    head = f"{ENCLOSURE}/Sensors"
    power.supplies(s, ENCLOSURE, ["PSU1", "PSU2"], PSU, redundancy=1)
    thermal = power.thermal(s, ENCLOSURE, metrics={"Intake": f"{head}/Ambient_Temp"})
    power.fans(s, thermal, [f"Fan{n + 1}" for n in range(6)],
               sensors=[f"{head}/Fan_{n}_Tach" for n in range(6)])  # fmt: skip
    power.environment(s, ENCLOSURE, PowerWatts=f"{head}/Enclosure_Power",
                      TemperatureCelsius=f"{head}/Ambient_Temp",
                      limit={"SetPoint": 4200, "AllowableMin": 1200, "AllowableMax": 4200}
                      )  # fmt: skip


def _node(s: Sketch, node: int) -> None:
    path, chassis = f"Systems/{node}", f"Chassis/Node{node}"
    s.collect("Systems", "ComputerSystem", "ComputerSystemCollection")
    s.put(
        path, "ComputerSystem", f"Node {node}", SystemType="Physical", Manufacturer="Lenovo",
        Model=MODEL, SKU=TYPE, SerialNumber=own_serial("J30#####", path), AssetTag="",
        UUID=own_uuid(path), HostName=f"{own_name()}-{node}", PowerState="On",
        BiosVersion="KAE130K",
        ProcessorSummary={"Count": 2, "CoreCount": 256, "Model": EPYC.model, "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": 1536, "Status": ok()},
        Boot=compute.boot("None", "Pxe", "Cd", "Usb", "Hdd", "BiosSetup", "Diags"),
        Links={"Chassis": all_at([chassis]), "ManagedBy": all_at([MANAGER])},
        Actions=compute.reset(path), Status=ok(HealthRollup="OK"),
        Oem={"Lenovo": {"@odata.type": "#LenovoComputerSystem.v1_0_0.LenovoComputerSystem",
                        "FrontPanelUSBMode": "Server", "SystemStatus": "OSBooted"}},
        below="Processors Memory Storage Bios SecureBoot EthernetInterfaces",
    )  # fmt: skip
    s.piece(chassis, "Lenovo", MODEL, kind="Sled", Name=f"Node {node} tray", SKU=TYPE,
            SerialNumber=own_serial("J30#####", path), below="Sensors NetworkAdapters",
            Links={"ComputerSystems": all_at([path]), "ManagedBy": all_at([MANAGER]),
                   "ContainedBy": at(ENCLOSURE)})  # fmt: skip
    s.peek(chassis)["PowerState"] = live(f"host_state.{node - 1}")


def _node_parts(s: Sketch, node: int) -> None:
    path, chassis = f"Systems/{node}", f"Chassis/Node{node}"
    for n in range(2):
        number = 2 * (node - 1) + n
        compute.processor(s, f"{path}/Processors/{n + 1}", number, EPYC, socket=f"CPU {n + 1}")
        power.sensor(s, chassis, f"CPU{n + 1}_Temp", "Temperature", f"cpu_c.{number}",
                     context="CPU", limits={"UpperCaution": 95, "UpperCritical": 100})  # fmt: skip
        power.sensor(s, chassis, f"CPU{n + 1}_Power", "Power", f"cpu_w.{number}", context="CPU")
    for slot in range(1, 25):
        compute.module(s, f"{path}/Memory/{slot}", DDR5, label=f"DIMM {slot}")
    drives = [compute.drive(s, f"{path}/Storage/Direct/Drives/Disk.{n}", DISK, bay=f"M.2 Bay{n}")
              for n in range(2)]  # fmt: skip
    compute.storage(s, f"{path}/Storage/Direct", name="Direct attached NVMe", drives=drives)
    compute.adapter(s, f"{chassis}/NetworkAdapters/slot-1", NDR, Name=NDR.model)
    compute.ethernet(s, path, "NIC1", oui=OUI)
    compute.bios(s, path, {"OperatingModes_ChooseOperatingMode": "MaximumPerformance",
                           "Processors_SMTMode": "Enabled", "Processors_NUMANodesperSocket": "NPS1",
                           "BootModes_SystemBootMode": "UEFIMode", "Power_ACRestore": "LastState"}
                 )  # fmt: skip
    compute.secure_boot(s, path)


def _firmware(s: Sketch) -> None:
    entries = [
        Firmware(key="BMC-Primary", version="AFBT58B", name="XCC Primary", maker="Lenovo"),
        Firmware(key="BMC-Backup", version="AFBT56A", name="XCC Backup", maker="Lenovo"),
        Firmware(key="LXPM", version="KAL118K", name="Provisioning Manager", maker="Lenovo"),
        Firmware(key="SMM", version="UMSM16K", name="Enclosure manager", maker="Lenovo"),
    ]
    for node in NODES:
        head = f"Chassis/Node{node}/NetworkAdapters"
        entries += [
            Firmware(key=f"UEFI-{node}", version="KAE130K", related=[f"Systems/{node}"]),
            Firmware(key=f"FPGA-{node}", version="KAF112A"),
            Firmware(key=f"Slot_1.{node}", version=NDR.firmware, related=[f"{head}/slot-1"]),
            Firmware(key=f"Disk.{node}", version=DISK.firmware),
        ]
    entries += [Firmware(key=f"PSU{n}", version=PSU.firmware) for n in (1, 2)]
    service.updates(s, entries, multipart=True, start=True, times=flash.LENOVO.times)


PERSONAS = (
    Persona(
        name="sd665-twin",
        title="two CPU hosts in one enclosure behind one controller",
        kind="node",
        make="Lenovo",
        model=MODEL,
        height_u=1,
        draw=draw,
        body=Body(
            hosts=2,
            cpus=4,
            cpu_idle_w=110,
            cpu_max_w=500,
            cpu_mhz=4100,
            base_w=420,
            standby_w=45,
            fans=6,
            fan_min_rpm=4500,
            fan_max_rpm=20000,
            fan_w=200,
            supplies=2,
        ),
        counts={
            "cpu": 4,
            "memory": 48,
            "nic": 2,
            "drive": 4,
            "psu": 2,
            "fan": 6,
            "firmware": 14,
        },
        systems=tuple(uri(f"Systems/{node}") for node in NODES),
        caps={uri(f"{ENCLOSURE}/EnvironmentMetrics"): "node"},
        flash=flash.LENOVO,
        options=Options(session_limit=16, bmc_reset_s=10),
        quirks={
            "two-hosts": "one endpoint is two machines that share supplies and fans",
            "shared-cap": "the power limit is the enclosure's and covers both",
        },
    ),
)
