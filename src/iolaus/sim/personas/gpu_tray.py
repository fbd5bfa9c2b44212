"""A liquid-cooled rack-scale compute tray: two Arm host processors, four GPUs, no supplies.

Its OpenBMC shows one machine as two systems: the host (System_0) and the GPU baseboard
(HGX_Baseboard_0), whose resources are relayed from a second management controller on the
baseboard and carry its prefix. Power comes from the rack's busbar, heat leaves by the manifold,
and each part that matters has a root of trust of its own that can be asked for measurements.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import compute, flash, hgx, power, service, trust
from iolaus.sim.personas.parts.compute import Cpu, Disk, Gpu, Nic
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.parts.trust import INVENTORY, TpmRoot
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    ok,
    own_label,
    own_name,
    own_number,
    own_serial,
    own_uuid,
    uri,
)

HOST, CHASSIS = "Systems/System_0", "Chassis/Chassis_0"
GPUS, CPUS, NICS, DISKS, FANS = range(4), range(2), range(4), range(8), range(8)
OUI = "3C:6D:66"
BMC_VERSION = "GB200Nvl-25.08-9"
LEAKS = ("Chassis_0_LeakDetector_0_ColdPlate", "Chassis_0_LeakDetector_1_Manifold")

GRACE = Cpu(
    maker="NVIDIA",
    model="Grace A02P",
    cores=72,
    threads=72,
    mhz=3375,
    tdp_w=300,
    architecture="ARM",
    instructions="ARM-A64",
    serial="0x000000017825#####C0000000###",
)
BLACKWELL = Gpu(
    maker="NVIDIA",
    model="GB300 288GB HBM3e",
    memory_gib=279,
    tdp_w=1400,
    min_w=200,
    part="2C2-890-A1",
    serial="165########",
    firmware="97.10.3A.00.07",
)
CX8 = Nic(
    maker="NVIDIA",
    model="ConnectX-8 SuperNIC",
    part="900-9X81E-00EX-ST0",
    serial="MT25########",
    firmware="40.46.1006",
    oui="5C:25:73",
    ports=2,
)
BF3 = Nic(
    maker="NVIDIA",
    model="BlueField-3 B3240 P-Series",
    part="900-9D3B6-00CN-PA0",
    serial="MT24########",
    firmware="32.43.2024",
    oui="A0:88:C2",
    ports=2,
    medium="Ethernet",
)
E1S = Disk(
    maker="Samsung",
    model="MZTL63T8HFLT-00AW7",
    gb=3840,
    serial="S7#####@######",
    firmware="LDDA1K3Q",
)
M2 = Disk(
    maker="Micron",
    model="MTFDKBA1T9TFR-1BC15",
    gb=1920,
    serial="25############",
    firmware="E2MU200",
)

CHASSIS_SENSORS = """
Chassis_0_Inlet_Temp_0           Temperature inlet_c   Intake         40 45
Chassis_0_Exhaust_Temp_0         Temperature exhaust_c Exhaust
Chassis_0_Total_Power_0          Power       node_w    Chassis
Chassis_0_Total_Energy_0         EnergykWh   node_kwh  Chassis
PDB_0_HSC_0_Power_0              Power       node_w    PowerSubsystem
PDB_0_HSC_0_Voltage_0            Voltage     bus_v     PowerSubsystem
PDB_0_HSC_0_Current_0            Current     bus_a     PowerSubsystem
PDB_0_HSC_0_Temp_0               Temperature pdb_c     PowerSubsystem 95 105
Chassis_0_Coolant_Supply_Temp_0  Temperature supply_c  LiquidInlet    45 50
Chassis_0_Coolant_Return_Temp_0  Temperature return_c  LiquidOutlet   60 65
2x Chassis_0_LeakDetector_{n}_Voltage  Voltage     leak_v.{n}  -
8x StorageBackplane_0_SSD_{n}_Temp_0   Temperature disk_c.{n}  StorageDevice 70 77
8x Chassis_0_FAN_{n}_FRONT             Rotational  fan_rpm.{n} Fan
2x ProcessorModule_{n}_Inlet_Temp_0    Temperature module_inlet_c.{n} SystemBoard
"""
CPU_SENSORS = """
ProcessorModule_{c}_CPU_0_Power_0         Power        cpu_w.{c}     CPU
ProcessorModule_{c}_CPU_0_TempAvg_0       Temperature  cpu_c.{c}     CPU 90 97
ProcessorModule_{c}_CPU_0_Energy_0        EnergyJoules cpu_j.{c}     CPU
ProcessorModule_{c}_CPU_0_CpuFreq_0       Frequency    cpu_hz.{c}    CPU
ProcessorModule_{c}_Vreg_0_CpuPower_0     Power        cpu_cpu_w.{c} VoltageRegulator
ProcessorModule_{c}_Vreg_0_SocPower_0     Power        cpu_soc_w.{c} VoltageRegulator
"""
SERVICES = (
    "Systems Chassis Managers SessionService AccountService EventService Tasks UpdateService "
    "TelemetryService ComponentIntegrity CertificateService Fabrics"
)


ROOTS = hgx.roots(
    {f"GPU_{n}": (hgx.gpu_path(n), [f"HGX_FW_ERoT_GPU_{n}", f"HGX_FW_GPU_{n}"]) for n in GPUS}
    | {
        f"CPU_{n}": (
            f"{HOST}/Processors/CPU_{n}",
            [f"HGX_FW_ERoT_CPU_{n}", f"HGX_FW_CPU_{n}"],
        )
        for n in CPUS
    }
    | {"BMC_0": ("Managers/BMC_0", ["FW_ERoT_BMC_0", "FW_BMC_0"])}
) | {
    "ComponentIntegrity/TPM_0": TpmRoot(
        chassis=CHASSIS,
        system=HOST,
        firmware=f"{INVENTORY}/UEFI",
        adapters=[f"{INVENTORY}/FW_CX8_{n}" for n in NICS],
    )
}


def draw() -> dict[str, Json]:
    s = Sketch(
        ServiceRoot="v1_17_0", ComputerSystem="v1_22_0", Processor="v1_20_0", Chassis="v1_25_0"
    )
    service.root(s, redfish="1.17.0", product="GB300 NVL", vendor="NVIDIA", expand=True,
                 select=True, services=SERVICES.split())  # fmt: skip
    service.sessions(s)
    service.accounts(s)
    service.events(s, sse=True, formats=("Event", "MetricReport"))
    service.tasks(s)
    service.certificates(s)
    _chassis(s)
    _thermal(s)
    _host(s)
    _host_parts(s)
    hgx.baseboard(s, len(GPUS), BLACKWELL, model="GB300 NVL", part="699-24764-0001-TS4", links=18)
    _managers(s)
    _firmware(s)
    s.collect("Fabrics", "Fabric", "Fabric Collection")
    s.put("Fabrics/HGX_NVLinkFabric_0", "Fabric", "NVLink", FabricType="NVLink", Status=ok())
    trust.draw(s, ROOTS)
    hgx.telemetry(s, len(GPUS))
    return s.finish()


def _chassis(s: Sketch) -> None:
    place = {"Rack": own_label("rack"), "Row": own_label("row"), "RackOffset": own_number("u"),
             "RackOffsetUnits": "EIA_310"}  # fmt: skip
    s.piece(
        CHASSIS,
        "NVIDIA",
        "GB300 NVL Compute Tray",
        kind="RackMount",
        PartNumber="699-24764-0001-TS4",
        SKU="GB300-NVL72-CT",
        AssetTag="",
        UUID=own_uuid("chassis"),
        HeightMm=44.45,
        Location={"Placement": place},
        Links={
            "ComputerSystems": all_at([HOST]),
            "ManagedBy": all_at(["Managers/BMC_0"]),
            "Contains": all_at(["Chassis/BMC_0", hgx.CHASSIS, "Chassis/PDB_0"]),
        },
        below="Sensors ThermalSubsystem EnvironmentMetrics NetworkAdapters Controls Drives",
    )
    s.piece("Chassis/BMC_0", "NVIDIA", "P4764 DC-SCM", kind="Module", PartNumber="699-13764-0200")
    s.piece("Chassis/PDB_0", "NVIDIA", "Power Distribution Board", kind="Module",
            PartNumber="699-2G548-0202-800")  # fmt: skip
    for n in CPUS:
        where = f"Chassis/HGX_CPU_{n}"
        s.piece(where, "NVIDIA", GRACE.model, PartNumber="900-2G530-0060", below="Sensors",
                Links={"Processors": all_at([f"{HOST}/Processors/CPU_{n}"])})  # fmt: skip
        power.sensors(s, where, CPU_SENSORS.replace("{c}", str(n)))


def _thermal(s: Sketch) -> None:
    power.sensors(s, CHASSIS, CHASSIS_SENSORS)
    head = f"{CHASSIS}/Sensors/Chassis_0"
    inlet, exhaust = f"{head}_Inlet_Temp_0", f"{head}_Exhaust_Temp_0"
    thermal = power.thermal(s, CHASSIS, metrics={"Intake": inlet, "Exhaust": exhaust})
    power.fans(s, thermal, [f"FAN_{n}" for n in FANS],
               sensors=[f"{head}_FAN_{n}_FRONT" for n in FANS])  # fmt: skip
    power.leak_detection(s, thermal, LEAKS, Manufacturer="NVIDIA", PhysicalContext="LiquidInlet")
    s.field(thermal, "LeakDetection", at(f"{thermal}/LeakDetection"))
    power.environment(s, CHASSIS, PowerWatts=f"{head}_Total_Power_0",
                      EnergykWh=f"{head}_Total_Energy_0", TemperatureCelsius=inlet,
                      limit={"SetPoint": 7200, "AllowableMin": 2600, "AllowableMax": 7200}
                      )  # fmt: skip
    power.control(s, CHASSIS, "TotalGPU_Power_0", low=800, high=5600, at_w=5600)


def _host(s: Sketch) -> None:
    s.collect("Systems", "ComputerSystem", "Computer System Collection")
    s.put(
        HOST,
        "ComputerSystem",
        "System_0",
        SystemType="Physical",
        Manufacturer="NVIDIA",
        Model="GB300 NVL",
        SerialNumber=own_serial("1332#########", "tray"),
        PartNumber="699-24764-0001-TS4",
        SKU="GB300-NVL72-CT",
        UUID=own_uuid("host"),
        HostName=own_name(),
        PowerState="On",
        PowerRestorePolicy="LastState",
        BiosVersion="02.04.12",
        ProcessorSummary={"Count": 2, "CoreCount": 144, "Model": GRACE.model, "Status": ok()},
        MemorySummary={"TotalSystemMemoryGiB": 960, "Status": ok()},
        Boot=compute.boot("None", "Pxe", "Hdd", "Cd", "BiosSetup", order=3),
        BootProgress={"LastState": "OSRunning"},
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at(["Managers/BMC_0"])},
        Actions=compute.reset(HOST),
        Status=ok(HealthRollup="OK"),
        below="Processors Memory Storage Bios SecureBoot EthernetInterfaces LogServices",
    )


def _host_parts(s: Sketch) -> None:
    s.collect(f"{HOST}/Memory", "Memory", "Memory Module Collection")
    for n in CPUS:
        links = {"Chassis": at(f"Chassis/HGX_CPU_{n}")}
        compute.processor(s, f"{HOST}/Processors/CPU_{n}", n, GRACE, socket=f"G1:{n}", Links=links)
        s.put(f"{HOST}/Memory/ProcessorModule_{n}_Memory_0", "Memory", "DIMM Slot",
              MemoryType="DRAM", MemoryDeviceType="LPDDR5_SDRAM", CapacityMiB=480 * 1024,
              OperatingSpeedMhz=8533, Manufacturer="Micron", PartNumber="MT62F4G64D8EK",
              ErrorCorrection="SingleBitECC", SerialNumber=own_serial("########", f"mem{n}"),
              Links=links, Status=ok())  # fmt: skip
    s.collect(f"{CHASSIS}/Drives", "Drive", "Drives Collection")
    bays = [(f"E1S_{n}", E1S) for n in DISKS] + [("M2_0", M2)]
    drives = [compute.drive(s, f"{CHASSIS}/Drives/{bay}", disk, bay=bay,
                            Links={"Chassis": at(CHASSIS)}) for bay, disk in bays]  # fmt: skip
    compute.storage(s, f"{HOST}/Storage/1", name="NVMe Storage", drives=drives)
    for key, nic in [(f"CX8_{n}", CX8) for n in NICS] + [("BF3_0", BF3)]:
        compute.adapter(s, f"{CHASSIS}/NetworkAdapters/{key}", nic, Name=key)
    compute.ethernet(s, HOST, "oob0", oui=OUI, mbps=10000)
    compute.ethernet(s, HOST, "bf3_p0", oui=BF3.oui, mbps=200000)
    compute.bios(s, HOST, {"SMMU": "Enabled", "TPM": "Enabled", "EgmMode": "Disabled",
                           "PcieRootPort0Aspm": "Disabled", "PowerOnState": "LastState",
                           "SerialRedirection": "Enabled", "UefiDebug": "Disabled"}
                 )  # fmt: skip
    compute.secure_boot(s, HOST)
    service.log_service(s, f"{HOST}/LogServices", "EventLog",
                        [("OK", "Host booted"), ("OK", "Power state changed to On")])  # fmt: skip


def _managers(s: Sketch) -> None:
    service.manager(s, "BMC_0", model="OpenBmc", firmware_version=BMC_VERSION,
                    manufacturer="NVIDIA", systems=[HOST], chassis=[CHASSIS, "Chassis/BMC_0"],
                    nic="eth0", oui=OUI, name="OpenBmc Manager",
                    logs={"Journal": [("OK", "BMC started"), ("OK", "Time synchronised")]}
                    )  # fmt: skip
    hgx.relayed_manager(s, BMC_VERSION, oui=OUI)


def _firmware(s: Sketch) -> None:
    roots = ["BMC_0", "CPU_0", "CPU_1", "FPGA_0", *(f"GPU_{n}" for n in GPUS)]
    adapters = f"{CHASSIS}/NetworkAdapters"
    entries = [
        Firmware(key="FW_BMC_0", version=BMC_VERSION, maker="NVIDIA", related=["Chassis/BMC_0"]),
        Firmware(key="FW_ERoT_BMC_0", version=hgx.EROT_VERSION, maker="NVIDIA"),
        Firmware(key="FW_CPLD_0", version="0.22", maker="NVIDIA"),
        Firmware(key="FW_PDB_0", version="1.7", maker="NVIDIA", related=["Chassis/PDB_0"]),
        Firmware(key="UEFI", version="buildbrain-gcid-40101112", updateable=False),
        *hgx.firmware(len(GPUS), BLACKWELL, bmc=BMC_VERSION, roots=roots),
    ]
    entries += [
        Firmware(key=f"HGX_FW_CPU_{n}", version="02.04.12", related=[f"Chassis/HGX_CPU_{n}"])
        for n in CPUS
    ]
    entries += [
        Firmware(key=f"FW_CX8_{n}", version=CX8.firmware, related=[f"{adapters}/CX8_{n}"])
        for n in NICS
    ]
    entries.append(Firmware(key="FW_BF3_0", version=BF3.firmware, related=[f"{adapters}/BF3_0"]))
    service.updates(s, entries, multipart=True, times=flash.NVIDIA.times)


PERSONAS = (
    Persona(
        name="gb300-tray",
        title="liquid-cooled rack-scale compute tray, 4 GPUs",
        kind="node",
        make="NVIDIA",
        model="GB300 NVL",
        height_u=1,
        draw=draw,
        body=Body(
            gpus=4,
            gpu_idle_w=190,
            gpu_max_w=1400,
            cpus=2,
            cpu_idle_w=60,
            cpu_max_w=300,
            cpu_mhz=3375,
            base_w=420,
            standby_w=75,
            fans=8,
            fan_min_rpm=5200,
            fan_max_rpm=21000,
            fan_w=90,
            liquid=True,
        ),
        counts={
            "cpu": 2,
            "gpu": 4,
            "memory": 6,
            "nic": 5,
            "drive": 9,
            "psu": 0,
            "fan": 8,
            "firmware": 31,
            "leakdetector": 2,
        },
        systems=(uri(HOST),),
        caps=hgx.caps(len(GPUS))
        | {
            uri(f"{CHASSIS}/EnvironmentMetrics"): "node",
            uri(f"{CHASSIS}/Controls/TotalGPU_Power_0"): "gpus",
        },
        leaks=LEAKS,
        roots=ROOTS,
        flash=flash.NVIDIA,
        options=Options(session_limit=64, bmc_reset_s=8),
        quirks={
            "two-systems": "the GPUs stand on a second ComputerSystem, which is the same machine",
            "empty-model": "the baseboard's Model and its memory's Manufacturer are empty strings",
            "null-count": "the baseboard's ProcessorSummary.Count is null",
            "hbm-as-memory": "each GPU's memory is listed as a Memory resource named DIMM Slot",
            "relayed-manager": "the second manager has the same fixed MAC address on every tray",
            "no-supplies": "no PowerSubsystem: the busbar feeds the tray",
        },
    ),
)
