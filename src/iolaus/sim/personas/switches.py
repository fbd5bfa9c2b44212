"""Switches as their controllers show them: an NVLink tray on the busbar, and a leaf with supplies.

Neither has a ComputerSystem to speak of. The switch stands under Fabrics, with its ports; the box
around it is a chassis. The NVLink tray holds two switch chips and is cooled by the rack's
manifold; the leaf is an ordinary box with its own supplies and fans.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import flash, power, service
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
    own_label,
    own_serial,
    own_uuid,
    uri,
)

SERVICES = "Chassis Managers SessionService AccountService EventService Tasks UpdateService Fabrics"
NV_OUI, LEAF_OUI = "B0:CF:0E", "FC:BD:67"
CHIPS, NV_PORTS, LEAF_PORTS = range(2), range(36), range(64)
NV_LEAKS = ("LeakDetector_0_ColdPlate", "LeakDetector_1_Manifold")
LEAF_PSU = Supply(
    maker="Delta",
    model="PWR-3011-AC-RED",
    part="PWR-3011-AC",
    serial="JPN25#######",
    watts=3000,
    firmware="1.12",
)
NV_SENSORS = """
Inlet_Temp         Temperature inlet_c    Intake 45 50
Total_Power        Power       node_w     Chassis
HSC_Voltage        Voltage     bus_v      PowerSubsystem
Coolant_Supply_Temp Temperature supply_c  LiquidInlet 45 50
4x FAN_{n}          Rotational  fan_rpm.{n} Fan
2x LeakDetector_{n}_Voltage Voltage leak_v.{n} -
"""
LEAF_SENSORS = """
Inlet_Temp    Temperature inlet_c     Intake 50 55
Outlet_Temp   Temperature exhaust_c   Exhaust
Switch_Temp   Temperature switch_c    ASIC 100 105
System_Power  Power       node_w      Chassis
4x Fan{n}     Rotational  fan_rpm.{n} Fan
"""


def _frame(s: Sketch, *, product: str, vendor: str, sse: bool) -> None:
    service.root(s, redfish="1.17.0", product=product, vendor=vendor, expand=sse,
                 services=SERVICES.split())  # fmt: skip
    service.sessions(s)
    service.accounts(s)
    service.events(s, sse=sse)
    service.tasks(s)


def _port(s: Sketch, path: str, *, gbps: int, protocol: str, up: bool) -> None:
    s.put(path, "Port", path.rpartition("/")[2], PortProtocol=protocol, MaxSpeedGbps=gbps,
          PortType="BidirectionalPort", CurrentSpeedGbps=gbps if up else 0,
          LinkState="Enabled", LinkStatus="LinkUp" if up else "LinkDown",
          Status=ok() if up else {"State": "StandbyOffline", "Health": "OK"})  # fmt: skip


def nvlink_tray() -> dict[str, Json]:
    s = Sketch(ServiceRoot="v1_17_0")
    chassis, fabric = "Chassis/MGX_NVSwitchTray_0", "Fabrics/HGX_NVLinkFabric_0"
    _frame(s, product="NVLink Switch Tray", vendor="NVIDIA", sse=True)
    s.piece(
        chassis, "NVIDIA", "NVLink5 Switch Tray", kind="RackMount", PartNumber="920-9K36F-00MV-QS1",
        SerialNumber=own_serial("MT25########", "tray"), UUID=own_uuid("tray"),
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
        Links={"ManagedBy": all_at(["Managers/BMC_0"]),
               "Contains": all_at(f"Chassis/MGX_NVSwitch_{n}" for n in CHIPS)},
        below="Sensors ThermalSubsystem EnvironmentMetrics",
    )  # fmt: skip
    power.sensors(s, chassis, NV_SENSORS)
    thermal = power.thermal(s, chassis, metrics={"Intake": f"{chassis}/Sensors/Inlet_Temp"})
    power.fans(s, thermal, [f"FAN_{n}" for n in range(4)])
    power.leak_detection(s, thermal, NV_LEAKS)
    s.field(thermal, "LeakDetection", at(f"{thermal}/LeakDetection"))
    power.environment(s, chassis, PowerWatts=f"{chassis}/Sensors/Total_Power")
    s.collect("Fabrics", "Fabric", "Fabric Collection")
    s.put(fabric, "Fabric", "NVLink Fabric", FabricType="NVLink", Status=ok(), below="Switches")
    for n in CHIPS:
        _nvswitch(s, f"{fabric}/Switches/NVSwitch_{n}", chassis, n)
    service.manager(s, "BMC_0", model="OpenBmc", firmware_version="GB200Nvl-25.08-9", systems=[],
                    chassis=[chassis], nic="eth0", oui=NV_OUI, manufacturer="NVIDIA",
                    name="OpenBmc Manager", logs={"Journal": [("OK", "BMC started")]})  # fmt: skip
    entries = [Firmware(key="FW_BMC_0", version="GB200Nvl-25.08-9", maker="NVIDIA"),
               Firmware(key="FW_ERoT_BMC_0", version="01.04.0031.0000_n04", maker="NVIDIA"),
               Firmware(key="FW_CPLD_0", version="0.22", maker="NVIDIA"),
               Firmware(key="FW_BIOS_0", version="0ACTV_00.01.019", maker="NVIDIA")]  # fmt: skip
    entries += [Firmware(key=f"FW_ERoT_NVSwitch_{n}", version="01.04.0031.0000_n04") for n in CHIPS]
    service.updates(s, entries, multipart=True, times=flash.NVIDIA.times)
    return s.finish()


def _nvswitch(s: Sketch, path: str, tray: str, number: int) -> None:
    chassis = f"Chassis/MGX_NVSwitch_{number}"
    s.piece(chassis, "NVIDIA", "NVLink5 Switch", PartNumber="920-9K36F-A1", below="Sensors",
            Links={"ContainedBy": at(tray), "ManagedBy": all_at(["Managers/BMC_0"]),
                   "Switches": all_at([path])})  # fmt: skip
    head = f"MGX_NVSwitch_{number}"
    power.sensor(s, chassis, f"{head}_Temp_0", "Temperature", f"switch_c.{number}", context="ASIC",
                 limits={"UpperCaution": 100, "UpperCritical": 105})  # fmt: skip
    power.sensor(s, chassis, f"{head}_Power_0", "Power", f"switch_w.{number}", context="ASIC")
    s.collect(path.rpartition("/")[0], "Switch", "Switches")
    s.put(path, "Switch", path.rpartition("/")[2], SwitchType="NVLink", Manufacturer="NVIDIA",
          Model="NVLink5 Switch", SerialNumber=own_serial("0x########", path), Enabled=True,
          UUID=own_uuid(path), FirmwareVersion="35.2014.1652", PowerState=live("power_state"),
          TotalSwitchWidth=72, SupportedProtocols=["NVLink"], Status=ok(),
          below="Ports EnvironmentMetrics",
          Links={"Chassis": at(chassis), "ManagedBy": all_at(["Managers/BMC_0"])})  # fmt: skip
    sensors = f"{chassis}/Sensors/{head}"
    power.environment(s, path, PowerWatts=f"{sensors}_Power_0",
                      TemperatureCelsius=f"{sensors}_Temp_0")  # fmt: skip
    s.collect(f"{path}/Ports", "Port", "Ports")
    for n in NV_PORTS:
        _port(s, f"{path}/Ports/NVLink_{n}", gbps=400, protocol="NVLink", up=True)


def leaf() -> dict[str, Json]:
    s = Sketch(ServiceRoot="v1_17_0")
    chassis, fabric = "Chassis/Switch", "Fabrics/Ethernet"
    _frame(s, product="7060X6-64PE", vendor="Arista", sse=False)
    s.piece(
        chassis, "Arista", "DCS-7060X6-64PE", kind="RackMount", PartNumber="DCS-7060X6-64PE-F",
        SerialNumber=own_serial("JPA25#######", "leaf"),
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
        Links={"ManagedBy": all_at(["Managers/bmc"]),
               "Switches": all_at([f"{fabric}/Switches/leaf"])},
        below="Sensors PowerSubsystem ThermalSubsystem EnvironmentMetrics",
    )  # fmt: skip
    power.sensors(s, chassis, LEAF_SENSORS)
    power.supplies(s, chassis, ["PSU1", "PSU2"], LEAF_PSU, redundancy=1)
    head = f"{chassis}/Sensors"
    thermal = power.thermal(s, chassis, metrics={"Intake": f"{head}/Inlet_Temp",
                                                 "Exhaust": f"{head}/Outlet_Temp"})  # fmt: skip
    power.fans(s, thermal, [f"Fan{n + 1}" for n in range(4)],
               sensors=[f"{head}/Fan{n}" for n in range(4)])  # fmt: skip
    power.environment(s, chassis, PowerWatts=f"{head}/System_Power",
                      TemperatureCelsius=f"{head}/Inlet_Temp")  # fmt: skip
    s.collect("Fabrics", "Fabric", "Fabric Collection")
    s.put(fabric, "Fabric", "Ethernet", FabricType="Ethernet", Status=ok(), below="Switches")
    path = f"{fabric}/Switches/leaf"
    s.collect(f"{fabric}/Switches", "Switch", "Switches")
    s.put(path, "Switch", "Leaf switch", SwitchType="Ethernet", Manufacturer="Arista",
          Model="DCS-7060X6-64PE", SerialNumber=own_serial("JPA25#######", "leaf"), Enabled=True,
          UUID=own_uuid("leaf"), FirmwareVersion="4.33.2F", PowerState="On",
          SupportedProtocols=["Ethernet"], Status=ok(), below="Ports",
          Links={"Chassis": at(chassis), "ManagedBy": all_at(["Managers/bmc"])},
          Actions={"#Switch.Reset": {"target": uri(f"{path}/Actions/Switch.Reset"),
                                     "ResetType@Redfish.AllowableValues": ["ForceRestart"]}}
          )  # fmt: skip
    s.collect(f"{path}/Ports", "Port", "Ports")
    for n in LEAF_PORTS:
        _port(s, f"{path}/Ports/Ethernet{n + 1}", gbps=800, protocol="Ethernet", up=n % 5 != 4)
    service.manager(s, "bmc", model="Switch BMC", firmware_version="2.14.0", systems=[],
                    chassis=[chassis], nic="eth0", oui=LEAF_OUI, manufacturer="Arista",
                    logs={"Log": [("OK", "Switch booted")]})  # fmt: skip
    stack = {"bmc": "2.14.0", "eos": "4.33.2F", "aboot": "12.0.4", "scd": "0x31",
             "psu1": "1.12", "psu2": "1.12"}  # fmt: skip
    entries = [Firmware(key=key, version=version) for key, version in stack.items()]
    service.updates(s, entries, multipart=False)
    return s.finish()


PERSONAS = (
    Persona(
        name="nvlink-switch",
        title="liquid-cooled NVLink switch tray, two chips",
        kind="switch",
        make="NVIDIA",
        model="NVLink5 Switch Tray",
        height_u=1,
        draw=nvlink_tray,
        body=Body(family="switch", base_w=1450, standby_w=1450, fans=4, fan_w=20, liquid=True),
        counts={"fan": 4, "firmware": 6, "leakdetector": 2, "port": 72},
        leaks=NV_LEAKS,
        flash=flash.NVIDIA,
        options=Options(session_limit=32),
        quirks={"two-switches": "one tray carries two Switch resources"},
    ),
    Persona(
        name="leaf-switch",
        title="64-port Ethernet leaf switch with two supplies",
        kind="switch",
        make="Arista",
        model="DCS-7060X6-64PE",
        height_u=2,
        draw=leaf,
        body=Body(
            family="switch",
            base_w=900,
            standby_w=900,
            fans=4,
            fan_min_rpm=5000,
            fan_max_rpm=15000,
            fan_w=60,
            supplies=2,
        ),
        counts={"psu": 2, "fan": 4, "firmware": 6, "port": 64},
        flash=flash.LEAF,
        options=Options(session_limit=4),
        quirks={"sensors-from-0": "fans count from 1, their sensors from 0"},
    ),
)
