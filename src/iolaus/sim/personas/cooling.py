"""What takes the heat away, and what finds the water: coolant units and leak detection ropes.

A coolant distribution unit shows up under ThermalEquipment/CDUs with pumps, the facility's side
(primary) and the racks' side (secondary), a reservoir, filters and moisture detectors; the loop
it serves stands beside it. A rope controller is a small box with nothing but leak detectors.
"""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import flash, power, service
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

CDU, CHASSIS, LOOP = (
    "ThermalEquipment/CDUs/1",
    "Chassis/CDU",
    "ThermalEquipment/CoolingLoops/RowLoop",
)
PUMPS = range(3)
CDU_OUI, ROPE_OUI = "00:1B:C5", "00:A0:9C"
CDU_LEAKS = ("Moisture_Base", "Moisture_Piping", "Overflow")
ROPE_LEAKS = tuple(f"Rope_{n}" for n in range(1, 9))
SERVICES = "Chassis Managers SessionService AccountService EventService Tasks UpdateService"
GLYCOL = {
    "CoolantType": "Water",
    "AdditiveName": "Propylene glycol",
    "AdditivePercent": 25,
    "SpecificHeatkJoulesPerKgK": 3.87,
    "DensityKgPerCubicMeter": 1022,
}
WATER = {
    "CoolantType": "Water",
    "SpecificHeatkJoulesPerKgK": 4.18,
    "DensityKgPerCubicMeter": 995,
}
SENSORS = """
PrimaryFlow            LiquidFlowLPM facility_flow_lpm LiquidInlet
PrimarySupplyTemp      Temperature   facility_supply_c LiquidInlet  36 40
PrimaryReturnTemp      Temperature   facility_return_c LiquidOutlet
PrimarySupplyPressure  PressurekPa   facility_kpa      LiquidInlet
SecondaryFlow          LiquidFlowLPM flow_lpm          LiquidOutlet
SecondarySupplyTemp    Temperature   supply_c          LiquidOutlet 42 45
SecondaryReturnTemp    Temperature   return_c          LiquidInlet  58 62
SecondaryDeltaTemp     Temperature   delta_c           LiquidInlet
SecondarySupplyPressure PressurekPa  supply_kpa        LiquidOutlet 400 450
SecondaryReturnPressure PressurekPa  return_kpa        LiquidInlet
SecondaryDeltaPressure PressurekPa   drop_kpa          LiquidOutlet
SecondaryHeatLoad      Heat          heat_kw           LiquidOutlet
ReservoirLevel         Percent       fill_pct          -
ValvePosition          Percent       valve_pct         -
CabinetTemp            Temperature   inlet_c           -            45 50
CabinetHumidity        Humidity      humidity_pct      -
3x Pump{n}Speed        Percent       pump_pct.{n}      Pump
"""


def _frame(s: Sketch, *, product: str, vendor: str, services: str) -> None:
    service.root(s, redfish="1.19.0", product=product, vendor=vendor, services=services.split())
    service.sessions(s, timeout_s=900)
    service.accounts(s, administrator="root", account="1")
    service.events(s, sse=True)
    service.tasks(s)


def cdu() -> dict[str, Json]:
    s = Sketch(ServiceRoot="v1_17_0", Chassis="v1_23_0", LeakDetection="v1_1_0")
    _frame(s, product="CoolChip CDU 1350", vendor="Vertiv", services=f"{SERVICES} ThermalEquipment")
    s.piece(CHASSIS, "Vertiv", "CoolChip CDU 1350", kind="RackMount", Name="CDU cabinet",
            SerialNumber=own_serial("VCD25#####", "cdu"), below="Sensors",
            Location={"Placement": {"Row": own_label("row")}},
            PartNumber="VCD-1350-400", Version="B", UUID=own_uuid("cdu"),
            Links={"ManagedBy": all_at(["Managers/CDU"]), "CoolingUnits": all_at([CDU])}
            )  # fmt: skip
    power.sensors(s, CHASSIS, SENSORS)
    s.put("ThermalEquipment", "ThermalEquipment", "Cooling Equipment", Status=ok(),
          below="CDUs CoolingLoops")  # fmt: skip
    s.collect("ThermalEquipment/CDUs", "CoolingUnit", "CDUs")
    _unit(s)
    for n in PUMPS:
        _pump(s, n)
    _connectors(s)
    _reservoir(s)
    power.leak_detection(s, CDU, CDU_LEAKS)
    s.peek(f"{CDU}/LeakDetection/LeakDetectors/Overflow")["LeakDetectorType"] = "FloatSwitch"
    _leaks(s)
    s.collect("ThermalEquipment/CoolingLoops", "CoolingLoop", "Cooling Loops")
    s.put(LOOP, "CoolingLoop", "Technology loop of the row", Coolant=GLYCOL, Status=ok(),
          CoolantLevelStatus="OK", RatedFlowLitersPerMinute=1500,
          SupplyEquipmentNames=["CDU"], ConsumingEquipmentNames=[],
          Links={"Chassis": at(CHASSIS), "ManagedBy": all_at(["Managers/CDU"])}
          )  # fmt: skip
    service.manager(s, "CDU", model="CoolChip controller", firmware_version="3.4.1", systems=[],
                    chassis=[CHASSIS], nic="eth0", oui=CDU_OUI, manufacturer="Vertiv",
                    name="CDU controller", kind="EnclosureManager",
                    logs={"Log": [("OK", "Pump rotation done."), ("OK", "Filter reminder reset.")]}
                    )  # fmt: skip
    entries = [Firmware(key="Controller", version="3.4.1"), Firmware(key="HMI", version="3.4.0")]
    entries += [Firmware(key=f"Pump{n + 1}Drive", version="2.12", updateable=False) for n in PUMPS]
    service.updates(s, entries, multipart=False)
    return s.finish()


def _leaks(s: Sketch) -> None:
    detectors = [f"{CDU}/LeakDetection/LeakDetectors/{key}" for key in CDU_LEAKS]
    for path in detectors:
        s.field(path, "Location", power.place(s.peek(path)["Name"]))
    group = [{"DataSourceUri": uri(path), "DetectorState": live(f"leak.{n}")}
             for n, path in enumerate(detectors)]  # fmt: skip
    damp = power.excerpt(s, f"{CHASSIS}/Sensors/CabinetHumidity")
    cabinet = {"GroupName": "Cabinet", "Detectors": group, "HumidityPercent": damp}
    s.field(f"{CDU}/LeakDetection", "LeakDetectorGroups", [{**cabinet, "Status": ok()}])


def _unit(s: Sketch) -> None:
    pumps = all_at(f"{CDU}/Pumps/{n + 1}" for n in PUMPS)
    s.put(
        CDU, "CoolingUnit", "Row CDU", EquipmentType="CDU", Manufacturer="Vertiv",
        Model="CoolChip CDU 1350", PartNumber="VCD-1350-400", FirmwareVersion="3.4.1",
        SerialNumber=own_serial("VCD25#####", "cdu"), AssetTag="", CoolingCapacityWatts=1350000,
        Version="B", ProductionDate="2025-04-02T00:00:00Z",
        Coolant=GLYCOL, Location={"Placement": {"Row": own_label("row")}},
        Links={"Chassis": all_at([CHASSIS]), "ManagedBy": all_at(["Managers/CDU"])},
        PumpRedundancy=[{"RedundancyType": "NPlusM", "MinNeededInGroup": 2,
                         "MaxSupportedInGroup": 3, "RedundancyGroup": pumps, "Status": ok()}],
        Status=ok(HealthRollup="OK"),
        below="Pumps PrimaryCoolantConnectors SecondaryCoolantConnectors Reservoirs Filters "
        "LeakDetection EnvironmentMetrics",
    )  # fmt: skip
    power.environment(s, CDU, TemperatureCelsius=f"{CHASSIS}/Sensors/CabinetTemp",
                      HumidityPercent=f"{CHASSIS}/Sensors/CabinetHumidity")  # fmt: skip


def _pump(s: Sketch, n: int) -> None:
    path = f"{CDU}/Pumps/{n + 1}"
    s.collect(f"{CDU}/Pumps", "Pump", "Pumps")
    s.put(
        path, "Pump", f"Pump {n + 1}", PumpType="Liquid", Manufacturer="Grundfos",
        Model="CRNE 45-2", SerialNumber=own_serial("9876####", path), ServiceHours=4100 + 37 * n,
        PumpSpeedPercent={**power.excerpt(s, f"{CHASSIS}/Sensors/Pump{n}Speed"),
                          "SpeedRPM": live(f"pump_rpm.{n}", 0)},
        Location=power.place(f"P{n + 1}"), Status=ok(),
    )  # fmt: skip


def _connectors(s: Sketch) -> None:
    head = f"{CHASSIS}/Sensors"
    for side, name, rated in (
        ("Primary", "Facility water", 1200),
        ("Secondary", "Rack loop", 1500),
    ):
        path = f"{CDU}/{side}CoolantConnectors"
        s.collect(path, "CoolantConnector", f"{side} Coolant Connectors")
        rack = side == "Secondary"
        s.put(
            f"{path}/1", "CoolantConnector", name, CoolantConnectorType="Pair",
            Coolant=GLYCOL if rack else WATER, RatedFlowLitersPerMinute=rated,
            HeatRemovedkW=power.excerpt(s, f"{head}/SecondaryHeatLoad"),
            FlowLitersPerMinute=power.excerpt(s, f"{head}/{side}Flow"),
            SupplyTemperatureCelsius=power.excerpt(s, f"{head}/{side}SupplyTemp"),
            ReturnTemperatureCelsius=power.excerpt(s, f"{head}/{side}ReturnTemp"),
            SupplyPressurekPa=power.excerpt(s, f"{head}/{side}SupplyPressure"),
            Links={"ConnectedCoolingLoop": at(LOOP)} if rack else None,
            Status=ok(),
        )  # fmt: skip
        told = {
            "ReturnPressurekPa": "SecondaryReturnPressure",
            "DeltaPressurekPa": "SecondaryDeltaPressure",
            "DeltaTemperatureCelsius": "SecondaryDeltaTemp",
        }
        for field, sensor in told.items():  # the facility's side has no such sensors
            s.field(f"{path}/1", field, power.excerpt(s, f"{head}/{sensor}") if rack else None)


def _reservoir(s: Sketch) -> None:
    s.collect(f"{CDU}/Reservoirs", "Reservoir", "Reservoirs")
    s.put(f"{CDU}/Reservoirs/1", "Reservoir", "Expansion tank", ReservoirType="Reserve",
          CapacityLiters=90, FluidLevelStatus="OK", Coolant=GLYCOL, Status=ok(),
          Location=power.place("Top", kind="Slot"),
          FluidLevelPercent=power.excerpt(s, f"{CHASSIS}/Sensors/ReservoirLevel"))  # fmt: skip
    s.collect(f"{CDU}/Filters", "Filter", "Filters")
    s.put(f"{CDU}/Filters/1", "Filter", "Loop filter", RatedServiceHours=8760,
          ServiceHours=2110, ServicedDate="2026-01-15T00:00:00Z", HotPluggable=False,
          Replaceable=True, Location=power.place("F1"), Status=ok())  # fmt: skip


def ropes() -> dict[str, Json]:
    s = Sketch()
    chassis = "Chassis/LeakController"
    _frame(s, product="TraceTek TTSIM", vendor="nVent", services=SERVICES)
    s.piece(chassis, "nVent", "TTSIM-128", kind="Other", Name="Leak detection controller",
            SerialNumber=own_serial("TT#######", "rope"), below="ThermalSubsystem",
            Location={"Placement": {"Row": own_label("row")}},
            Links={"ManagedBy": all_at(["Managers/1"])})  # fmt: skip
    thermal = power.thermal(s, chassis)
    power.leak_detection(s, thermal, ROPE_LEAKS, Manufacturer="nVent", Model="TT1000-OHP")
    s.field(thermal, "LeakDetection", at(f"{thermal}/LeakDetection"))
    for key in ROPE_LEAKS:
        detector = s.peek(f"{thermal}/LeakDetection/LeakDetectors/{key}")
        detector["Location"] = {"PartLocationContext": f"Under the floor, segment {key[-1]}"}
    service.manager(s, "1", model="TTSIM-128", firmware_version="1.9.3", systems=[],
                    chassis=[chassis], nic="1", oui=ROPE_OUI, manufacturer="nVent",
                    name="Controller", kind="EnclosureManager",
                    logs={"Log": [("OK", "All ropes are terminated.")]})  # fmt: skip
    service.updates(s, [Firmware(key="Controller", version="1.9.3")], multipart=False)
    return s.finish()


PERSONAS = (
    Persona(
        name="cdu-row",
        title="row coolant distribution unit, 1.35 MW, three pumps",
        kind="cdu",
        make="Vertiv",
        model="CoolChip CDU 1350",
        height_u=0,
        draw=cdu,
        body=Body(family="cdu", base_w=18000, capacity_w=1_350_000),
        counts={"pump": 3, "leakdetector": 3, "firmware": 5},
        leaks=CDU_LEAKS,
        flash=flash.PLAIN,
        options=Options(session_limit=4),
        quirks={"pump-sensors-from-0": "pumps count from 1, their sensors from 0"},
    ),
    Persona(
        name="leak-ropes",
        title="leak detection controller with eight sensing ropes",
        kind="leak",
        make="nVent",
        model="TTSIM-128",
        height_u=0,
        draw=ropes,
        body=Body(family="still", base_w=10),
        counts={"leakdetector": 8, "firmware": 1},
        leaks=ROPE_LEAKS,
        flash=flash.PLAIN,
        options=Options(session_limit=4),
        quirks={"chassis-only": "no system and no equipment: a chassis with leak detectors"},
    ),
)
