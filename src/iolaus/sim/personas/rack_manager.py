"""A rack's own controller: a chassis that contains other chassis, and nothing that computes."""

from __future__ import annotations

from iolaus.sim.device import Options
from iolaus.sim.personas.parts import flash, power, service
from iolaus.sim.personas.parts.power import Probe
from iolaus.sim.personas.parts.service import Firmware
from iolaus.sim.personas.persona import Body, Persona
from iolaus.sim.personas.sketch import Json, Sketch, all_at, own_label, own_serial, uri

RACK, MANAGER, OUI = "Chassis/Enclosure", "Managers/RMC", "F8:8E:85"
BAYS = range(8)
SERVICES = "Chassis Managers SessionService AccountService EventService Tasks UpdateService"


def draw() -> dict[str, Json]:
    s = Sketch()
    service.root(s, redfish="1.9.0", product="Rack Management Controller", vendor="Wiwynn",
                 services=SERVICES.split())  # fmt: skip
    service.sessions(s)
    service.accounts(s)
    service.events(s, sse=False)
    service.tasks(s)
    bays = [f"Chassis/Bay{n}" for n in BAYS]
    s.piece(RACK, "Wiwynn", "RMC-2000", kind="Rack", Name="Rack enclosure",
            SerialNumber=own_serial("WRM25######", "rack"), below="Thermal",
            Location={"Placement": {"Rack": own_label("rack"), "Row": own_label("row")}},
            Links={"Contains": all_at(bays), "ManagedBy": all_at([MANAGER])})  # fmt: skip
    for bay in bays:
        reset = {
            "target": uri(f"{bay}/Actions/Chassis.Reset"),
            "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "PowerCycle"],
        }
        s.piece(bay, "Wiwynn", "Sled bay", kind="Sled", PartNumber="WBAY-01",
                Actions={"#Chassis.Reset": reset},
                Links={"ContainedBy": {"@odata.id": f"/redfish/v1/{RACK}"},
                       "ManagedBy": all_at([MANAGER])})  # fmt: skip
    warmth = [Probe(name="Rack Inlet", value="inlet_c", context="Intake", warn=40, stop=45),
              Probe(name="Rack Outlet", value="exhaust_c", context="Exhaust", warn=60, stop=65)
              ]  # fmt: skip
    spins = [Probe(name=f"Rack Fan {n}", value=f"fan_rpm.{n}") for n in range(4)]
    power.legacy_thermal(s, RACK, warmth, spins)
    service.manager(s, "RMC", model="RMC-2000", firmware_version="3.0.12", systems=[],
                    chassis=[RACK], nic="eth0", oui=OUI, manufacturer="Wiwynn",
                    name="Rack manager", kind="RackManager",
                    logs={"Log": [("OK", "Bay 3 attached.")]})  # fmt: skip
    service.updates(s, [Firmware(key="RMC", version="3.0.12"), Firmware(key="FPGA", version="1.8")],
                    multipart=False)  # fmt: skip
    return s.finish()


PERSONAS = (
    Persona(
        name="rack-manager",
        title="rack management controller: a rack with sled bays",
        kind="chassis",
        make="Wiwynn",
        model="RMC-2000",
        height_u=0,
        draw=draw,
        body=Body(family="still", base_w=40, fans=4),
        counts={"fan": 4, "firmware": 2},
        flash=flash.PLAIN,
        options=Options(session_limit=4),
        quirks={"old-version": "says Redfish 1.9.0", "rack-fans": "fans only in legacy Thermal"},
    ),
)
