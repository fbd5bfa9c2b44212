"""What feeds a rack: ORv3 power shelves with rectifiers or batteries, and outlet strips.

A shelf turns mains into the busbar's 50 V and shows up under PowerEquipment/PowerShelves, with
its supplies in the PowerSubsystem of its chassis. A battery shelf is the same frame with battery
units. A strip (rack PDU) shows its mains, three branches and its outlets, each metered and
switched.
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

PSUS, OUTLETS, PHASES = range(6), range(24), ("A", "B", "C")
SHELF_OUI, PDU_OUI = "00:18:8C", "00:0D:5D"
SERVICES = "Chassis Managers SessionService AccountService EventService Tasks UpdateService"
RECTIFIER = Supply(
    maker="Delta",
    model="ECD16020123",
    part="ECD16020123-5K5",
    serial="TWDT########",
    watts=5500,
    firmware="1.7.2",
    volts=50.5,
)
SHELF_SENSORS = """
Total_Output_Power   Power       shelf_out_w PowerOutlet
Total_Input_Power    Power       shelf_in_w  PowerSupply
Total_Output_Current Current     shelf_out_a PowerOutlet
Output_Voltage       Voltage     bus_v       PowerOutlet
Inlet_Temp           Temperature inlet_c     Intake 50 55
6x PSU{n}_Output_Power Power       psu_out_w.{n} PowerSupply
6x PSU{n}_Temp         Temperature psu_c.{n}     PowerSupply 75 85
"""
BATTERY_SENSORS = """
Output_Voltage       Voltage     bus_v       PowerOutlet
Inlet_Temp           Temperature inlet_c     Intake 50 55
6x BBU{n}_Charge     Percent     charge_pct.{n} Battery
6x BBU{n}_Temp       Temperature cell_c.{n}     Battery 50 58
"""


def _frame(s: Sketch, *, product: str, vendor: str, services: str, redfish: str = "1.15.0") -> None:
    service.root(s, redfish=redfish, product=product, vendor=vendor, services=services.split())
    service.sessions(s, timeout_s=600)
    service.accounts(s)
    service.events(s, sse=False)
    service.tasks(s)


def shelf() -> dict[str, Json]:
    s = Sketch()
    chassis = _shelf_frame(s, "ORv3 33kW Power Shelf", "ECS90000010")
    power.sensors(s, chassis, SHELF_SENSORS)
    ids = [f"PSU{n}" for n in PSUS]
    power.supplies(s, chassis, ids, RECTIFIER, redundancy=5)
    s.field(chassis, "PowerSubsystem", at(f"{chassis}/PowerSubsystem"))
    s.field("PowerEquipment/PowerShelves/1", "PowerSupplies",
            at(f"{chassis}/PowerSubsystem/PowerSupplies"))  # fmt: skip
    power.environment(s, chassis, PowerWatts=f"{chassis}/Sensors/Total_Output_Power",
                      TemperatureCelsius=f"{chassis}/Sensors/Inlet_Temp")  # fmt: skip
    inlet = f"{chassis}/Sensors/Inlet_Temp"
    thermal = power.thermal(s, chassis, metrics={"Intake": inlet})
    s.peek(f"{thermal}/ThermalMetrics")["TemperatureSummaryCelsius"] |= {
        "Ambient": None, "Internal": power.excerpt(s, f"{chassis}/Sensors/PSU0_Temp")}  # fmt: skip
    s.field(chassis, "ThermalSubsystem", at(f"{chassis}/ThermalSubsystem"))
    _shelf_circuits(s, chassis)
    _rectifiers(s)
    power.metered(s)
    entries = [Firmware(key="PMC", version="2.1.14", name="Power Management Controller")]
    entries += [Firmware(key=key, version=RECTIFIER.firmware, name=f"{key} firmware",
                         related=[f"{chassis}/PowerSubsystem/PowerSupplies/{key}"])
                for key in ids]  # fmt: skip
    service.updates(s, entries, multipart=False)
    return s.finish()


def _rectifiers(s: Sketch) -> None:
    for n, supply in enumerate(s.every("PowerSupply")):
        rail = {"NominalVoltage": RECTIFIER.volts, "PhysicalContext": "PowerOutlet"}
        supply |= {"InputNominalVoltageType": "AC277V", "OutputRails": [rail], "Version": "A02",
                   "ProductionDate": "2025-05-12T00:00:00Z", "LocationIndicatorActive": False,
                   "Location": power.place(f"PSU{n}")}  # fmt: skip
    for n, metrics in enumerate(s.every("PowerSupplyMetrics")):
        metrics["RailPowerWatts"] = [{"Reading": live(f"psu_out_w.{n}")}]


def _shelf_circuits(s: Sketch, chassis: str) -> None:
    """Mains comes in, the busbar goes out."""
    unit, head = "PowerEquipment/PowerShelves/1", f"{chassis}/Sensors"
    for name in ("Mains", "Branches", "Metrics"):
        s.field(unit, name, at(f"{unit}/{name}"))
    s.collect(f"{unit}/Mains", "Circuit", "Mains")
    common = {"Status": ok(), "PowerState": "On", "BreakerState": "Normal", "UserLabel": "",
              "ElectricalContext": "Total", "CriticalCircuit": True}  # fmt: skip
    busbar, volts = f"{unit}/Branches/Busbar", power.excerpt(s, f"{head}/Output_Voltage")
    s.put(f"{unit}/Mains/AC1", "Circuit", "Mains input", CircuitType="Mains", VoltageType="AC",
          PhaseWiringType="ThreePhase5Wire", NominalVoltage="AC480V", RatedCurrentAmps=60,
          PowerWatts={"Reading": live("shelf_in_w")}, Links={"SourceCircuit": None},
          **common)  # fmt: skip
    for unmetered in ("EnergykWh", "PolyPhaseCurrentAmps", "PolyPhaseVoltage"):
        s.field(f"{unit}/Mains/AC1", unmetered, None)
    s.collect(f"{unit}/Branches", "Circuit", "Branches")
    s.put(busbar, "Circuit", "Busbar", CircuitType="Branch", VoltageType="DC",
          NominalVoltage="DC48V", RatedCurrentAmps=660, Voltage=volts,
          PowerRestorePolicy="AlwaysOn",
          CurrentAmps=power.excerpt(s, f"{head}/Total_Output_Current"),
          PowerWatts=power.excerpt(s, f"{head}/Total_Output_Power"),
          Links={"BranchCircuit": at(f"{unit}/Mains/AC1")}, **common)  # fmt: skip
    for unknown in ("EnergykWh", "PhaseWiringType"):
        s.field(busbar, unknown, None)
    s.put(f"{unit}/Metrics", "PowerDistributionMetrics", "Metrics of the shelf",
          PowerWatts=power.excerpt(s, f"{head}/Total_Output_Power"),
          TemperatureCelsius=power.excerpt(s, f"{head}/Inlet_Temp"),
          Actions=_resets(f"{unit}/Metrics"))  # fmt: skip
    s.field(f"{unit}/Metrics", "EnergykWh", None)
    s.field(f"{unit}/Metrics", "PowerLoadPercent", None)


def _resets(path: str) -> Json:
    name = "PowerDistributionMetrics.ResetMetrics"
    return {f"#{name}": {"target": uri(f"{path}/Actions/{name}")}}


def battery_shelf() -> dict[str, Json]:
    s = Sketch()
    chassis = _shelf_frame(s, "ORv3 BBU Shelf", "ECS90010007")
    power.sensors(s, chassis, BATTERY_SENSORS)
    path = f"{chassis}/PowerSubsystem"
    s.field(chassis, "PowerSubsystem", at(path))
    s.put(path, "PowerSubsystem", "Power Subsystem", CapacityWatts=18000, Status=ok(),
          below="Batteries")  # fmt: skip
    s.collect(f"{path}/Batteries", "Battery", "Batteries")
    for n in PSUS:
        _battery(s, f"{path}/Batteries/BBU{n}", n)
    power.environment(s, chassis, TemperatureCelsius=f"{chassis}/Sensors/Inlet_Temp")
    entries = [Firmware(key="PMC", version="2.1.14", name="Power Management Controller")]
    entries += [Firmware(key=f"BBU{n}", version="1.3.0", name=f"BBU{n} firmware",
                         related=[f"{path}/Batteries/BBU{n}"]) for n in PSUS]  # fmt: skip
    service.updates(s, entries, multipart=False)
    return s.finish()


def _battery(s: Sketch, path: str, n: int) -> None:
    s.put(
        path,
        "Battery",
        f"Battery Backup Unit {n}",
        Manufacturer="Panasonic",
        Model="BJ-BPA101AA",
        PartNumber="BJ-BPA101AA-FB",
        SerialNumber=own_serial("PN25#######", path),
        FirmwareVersion="1.3.0",
        ChargeState="Idle",
        CapacityRatedWattHours=330,
        CapacityActualWattHours=322,
        StateOfHealthPercent={"Reading": 97},
        HotPluggable=True,
        Status=ok(),
        below="Metrics",
    )
    s.put(
        f"{path}/Metrics",
        "BatteryMetrics",
        f"Metrics of BBU {n}",
        ChargePercent={"Reading": live(f"charge_pct.{n}")},
        TemperatureCelsius={"Reading": live(f"cell_c.{n}")},
        DischargeCycles=3 + n,
    )


def _shelf_frame(s: Sketch, model: str, part: str) -> str:
    """Root, chassis, PowerEquipment and manager of a shelf; gives the chassis."""
    chassis, unit = "Chassis/PowerShelf_0", "PowerEquipment/PowerShelves/1"
    _frame(s, product=model, vendor="Delta", services=f"{SERVICES} PowerEquipment")
    s.piece(
        chassis, "Delta", model, kind="Shelf", Name="Power Shelf", PartNumber=part,
        SerialNumber=own_serial("DPS25########", "shelf"),
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
        UUID=own_uuid("frame"), below="Sensors EnvironmentMetrics",
        Links={"ManagedBy": all_at(["Managers/pmc"]), "PowerDistribution": at(unit)},
    )  # fmt: skip
    s.put("PowerEquipment", "PowerEquipment", "Power Equipment", Status=ok(),
          below="PowerShelves")  # fmt: skip
    s.collect("PowerEquipment/PowerShelves", "PowerDistribution", "Power Shelves")
    s.put(
        unit, "PowerDistribution", "Power Shelf", EquipmentType="PowerShelf",
        Manufacturer="Delta", Model=model, PartNumber=part, FirmwareVersion="2.1.14",
        SerialNumber=own_serial("DPS25########", "shelf"), UUID=own_uuid("shelf"),
        PowerCapacityVA=33000, Status=ok(), UserLabel="",
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
        Links={"Chassis": all_at([chassis]), "ManagedBy": all_at(["Managers/pmc"])},
    )  # fmt: skip
    service.manager(s, "pmc", model="ORv3 PMC", firmware_version="2.1.14", systems=[],
                    chassis=[chassis], nic="eth0", oui=SHELF_OUI, manufacturer="Delta",
                    name="Power Management Controller", kind="EnclosureManager",
                    logs={"Log": [("OK", "All power supply units are present.")]})  # fmt: skip
    return chassis


def strip() -> dict[str, Json]:
    s = Sketch()
    base, chassis = "PowerEquipment/RackPDUs/1", "Chassis/PDU"
    _frame(s, product="PX4-5962I", vendor="Raritan", services=f"{SERVICES} PowerEquipment",
           redfish="1.12.0")  # fmt: skip
    s.piece(
        chassis, "Raritan", "PX4-5962I-E8V2", kind="Zone", Name="PDU",
        SerialNumber=own_serial("1FE5#####", "pdu"),
        Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
        UUID=own_uuid("strip"), PartNumber="PX4-5962I", below="Sensors",
        Links={"ManagedBy": all_at(["Managers/PDU"]), "PowerDistribution": at(base)},
    )  # fmt: skip
    _strip_sensors(s, chassis)
    s.put("PowerEquipment", "PowerEquipment", "DCIM Power Equipment", Status=ok(), below="RackPDUs")
    s.collect("PowerEquipment/RackPDUs", "PowerDistribution", "Rack PDUs")
    s.put(
        base, "PowerDistribution", "Rack PDU", EquipmentType="RackPDU", Manufacturer="Raritan",
        Model="PX4-5962I-E8V2", FirmwareVersion="4.3.10.5-51785", Version="1.0",
        SerialNumber=own_serial("1FE5#####", "pdu"), PartNumber="PX4-5962I", UUID=own_uuid("pdu"),
        AssetTag="", Location={"Placement": {"Rack": own_label("rack")}}, Status=ok(),
        UserLabel="",
        Links={"Chassis": all_at([chassis]), "ManagedBy": all_at(["Managers/PDU"])},
        below="Mains Branches Outlets Metrics",
    )  # fmt: skip
    _strip_circuits(s, base, chassis)
    for n in OUTLETS:
        _outlet(s, base, chassis, n)
    service.manager(s, "PDU", model="PX4", firmware_version="4.3.10.5-51785", systems=[],
                    chassis=[chassis], nic="ETH1", oui=PDU_OUI, manufacturer="Raritan",
                    name="PDU Controller", kind="EnclosureManager",
                    logs={"Log": [("OK", "Outlet relays initialised.")]})  # fmt: skip
    entries = [Firmware(key="PDU", version="4.3.10.5-51785", name="PDU firmware"),
               Firmware(key="Meter", version="3.0.4", name="Meter board", updateable=False),
               Firmware(key="Relay", version="2.8.1", name="Relay board", updateable=False)
               ]  # fmt: skip
    service.updates(s, entries, multipart=False)
    power.metered(s)
    return s.finish()


def _strip_sensors(s: Sketch, chassis: str) -> None:
    power.sensors(s, chassis, """
PDUPower      Power       pdu_w        Chassis
PDUEnergy     EnergykWh   pdu_kwh      Chassis
FreqMains     Frequency   hertz        -
CabTemp       Temperature inlet_c      -    40 45
Humidity      Humidity    humidity_pct -
24x PowerOutlet{n}   Power   outlet_w.{n} PowerOutlet
24x CurrentOutlet{n} Current outlet_a.{n} PowerOutlet
""")  # fmt: skip
    for n, phase in enumerate(PHASES):
        power.sensor(s, chassis, f"Power{phase}", "Power", f"phase_w.{n}")
        power.sensor(s, chassis, f"Current{phase}", "Current", f"phase_a.{n}",
                     limits={"UpperCaution": 64, "UpperCritical": 80})  # fmt: skip
        power.sensor(s, chassis, f"Voltage{phase}", "Voltage", f"phase_v.{n}")


def _strip_circuits(s: Sketch, base: str, chassis: str) -> None:
    head = f"{chassis}/Sensors"
    common = {"PhaseWiringType": "ThreePhase5Wire", "RatedCurrentAmps": 80, "Status": ok(),
              "NominalVoltage": "AC240V", "PowerState": "On", "BreakerState": "Normal"}  # fmt: skip
    s.collect(f"{base}/Mains", "Circuit", "Mains")
    s.put(
        f"{base}/Mains/AC1", "Circuit", "Mains AC input", CircuitType="Mains", **common,
        PlugType="IEC_60309_516P6", CriticalCircuit=True,
        PowerWatts=power.excerpt(s, f"{head}/PDUPower"),
        EnergykWh=power.excerpt(s, f"{head}/PDUEnergy"),
        FrequencyHz=power.excerpt(s, f"{head}/FreqMains"),
        PolyPhaseCurrentAmps={f"Line{n + 1}": power.excerpt(s, f"{head}/Current{phase}")
                              for n, phase in enumerate(PHASES)},
        PolyPhaseVoltage={f"Line{n + 1}ToNeutral": power.excerpt(s, f"{head}/Voltage{phase}")
                          for n, phase in enumerate(PHASES)},
        ElectricalContext="Total", VoltageType="AC", UserLabel="",
        Links={"SourceCircuit": None},
    )  # fmt: skip
    s.collect(f"{base}/Branches", "Circuit", "Branches")
    for n, phase in enumerate(PHASES):
        mine = [f"{base}/Outlets/{k + 1}" for k in OUTLETS if k % 3 == n]
        s.put(
            f"{base}/Branches/{phase}", "Circuit", f"Branch circuit {phase}",
            CircuitType="Branch", PhaseWiringType="TwoPhase3Wire", RatedCurrentAmps=32,
            NominalVoltage="AC240V", BreakerState="Normal", PowerState="On",
            Voltage=power.excerpt(s, f"{head}/Voltage{phase}"),
            CurrentAmps=power.excerpt(s, f"{head}/Current{phase}"),
            PowerWatts=power.excerpt(s, f"{head}/Power{phase}"),
            Links={"BranchCircuit": at(f"{base}/Mains/AC1"), "Outlets": all_at(mine)},
            Status=ok(),
        )  # fmt: skip
    s.put(f"{base}/Metrics", "PowerDistributionMetrics", "Metrics of the PDU",
          PowerWatts=power.excerpt(s, f"{head}/PDUPower"),
          EnergykWh=power.excerpt(s, f"{head}/PDUEnergy"),
          TemperatureCelsius=power.excerpt(s, f"{head}/CabTemp"),
          HumidityPercent=power.excerpt(s, f"{head}/Humidity"),
          PowerLoadPercent={"Reading": live("pdu_load_pct")},
          Actions=_resets(f"{base}/Metrics"))  # fmt: skip


def _outlet(s: Sketch, base: str, chassis: str, n: int) -> None:
    path, phase = f"{base}/Outlets/{n + 1}", PHASES[n % 3]
    head = f"{chassis}/Sensors"
    s.collect(f"{base}/Outlets", "Outlet", "Outlets")
    actions = {
        f"#Outlet.{word}": {"target": uri(f"{path}/Actions/Outlet.{word}")}
        for word in ("PowerControl", "ResetMetrics")
    }
    actions["#Outlet.PowerControl"]["PowerState@Redfish.AllowableValues"] = [  # type: ignore[assignment]
        "On", "Off", "PowerCycle"]  # fmt: skip
    s.put(
        path, "Outlet", f"Outlet {n + 1}", OutletType="IEC_60320_C19", VoltageType="AC",
        PhaseWiringType="OnePhase3Wire", NominalVoltage="AC240V", RatedCurrentAmps=16,
        PowerState="On", PowerEnabled=True, PowerRestorePolicy="LastState",
        PowerOnDelaySeconds=2 + n, PowerCycleDelaySeconds=5, UserLabel="",
        PowerWatts=power.excerpt(s, f"{head}/PowerOutlet{n}"),
        CurrentAmps=power.excerpt(s, f"{head}/CurrentOutlet{n}"),
        Voltage=power.excerpt(s, f"{head}/Voltage{phase}"),
        EnergykWh={"Reading": live("outlet_kwh", 3)},
        Links={"BranchCircuit": at(f"{base}/Branches/{phase}")},
        ElectricalContext=f"Line{n % 3 + 1}ToNeutral", Actions=actions, Status=ok(),
    )  # fmt: skip


PERSONAS = (
    Persona(
        name="orv3-shelf",
        title="33 kW power shelf of an open rack, six rectifiers",
        kind="powershelf",
        make="Delta",
        model="ORv3 33kW Power Shelf",
        height_u=1,
        draw=shelf,
        body=Body(family="shelf", supplies=6, supply_v=50.5, base_w=60, capacity_w=33000),
        counts={"psu": 6, "circuit": 2, "firmware": 7},
        flash=flash.PLAIN,
        options=Options(session_limit=4),
        quirks={
            "no-expand": "ServiceRoot advertises no query options",
            "shared-supplies": "the shelf's supplies link points into its chassis",
        },
    ),
    Persona(
        name="orv3-bbu",
        title="battery shelf of an open rack, six battery units",
        kind="powershelf",
        make="Delta",
        model="ORv3 BBU Shelf",
        height_u=1,
        draw=battery_shelf,
        body=Body(family="bbu", supply_v=50.5, base_w=40, capacity_w=18000),
        counts={"battery": 6, "firmware": 7},
        flash=flash.PLAIN,
        options=Options(session_limit=4),
        quirks={"no-supplies": "a power shelf without any power supply: it holds batteries"},
    ),
    Persona(
        name="rack-pdu",
        title="three-phase rack PDU, 24 metered and switched outlets",
        kind="pdu",
        make="Raritan",
        model="PX4-5962I-E8V2",
        height_u=0,
        draw=strip,
        body=Body(family="pdu", outlets=24, base_w=25, capacity_w=57600),
        counts={"outlet": 24, "circuit": 4, "firmware": 3},
        flash=flash.PLAIN,
        options=Options(session_limit=6, page_size=0),
        quirks={
            "outlet-from-1": "outlets count from 1, their sensors from 0",
            "zone": "the strip's chassis is of type Zone",
        },
    ),
)
