"""What goes wrong on the building side: the faults of `sim/building/faults.py` by speaking names.

The selector's devices are the things; without a selector every thing is meant, which alone
reaches what is no device (racks' points, the building system's own heartbeat).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from iolaus.sim.building.faults import CATALOGUE
from iolaus.sim.catalogue.entry import Argument, Entry, Mend, Scene, Strike, nothing

BUILDING: Final = "building"
SHARE: Final = Argument(name="share", what="of the messages, 0 to 1", usual=1.0)
LOST: Final = "energy: building link lost (heartbeat)"
STALE: Final = "energy: stale or low-quality reading"


class Row(NamedTuple):
    name: str
    title: str
    seen: str
    sources: tuple[str, ...] = ()
    what: str = ""
    """What the argument `what` names; "" if the fault has none."""


ROWS: Final = {
    "link-loss": Row("link-loss", "a link of the building side is lost",
                     "No answer on Modbus or SNMP, no message on MQTT.", (LOST,),
                     "modbus, mqtt or snmp"),
    "stale-values": Row("bms-stale-values", "building values stand still",
                        "The same value with a fresh time stamp.", (STALE,), "points (glob)"),
    "bad-quality": Row("bms-bad-quality", "building values of bad quality",
                       "quality is not 1.", (STALE,), "points (glob)"),
    "no-value": Row("bms-no-value", "building values are null", "value is null.", (STALE,),
                    "points (glob)"),
    "stuck-register": Row("modbus-stuck-register", "a Modbus register stands still",
                          "The register reads the same for ever.", (STALE,), "registers (glob)"),
    "crc-errors": Row("modbus-crc-errors", "Modbus answers are garbled",
                      "A CRC that is wrong on the line; no answer through the gateway."),
    "busy": Row("modbus-busy", "Modbus units are busy", "Exception 6."),
    "late-heartbeat": Row("bms-heartbeat-lost", "the building's heartbeat stops",
                          "No heartbeat; values go on.", (LOST,)),
    "deaf": Row("bms-deaf", "the building ignores requests",
                "No response to an isolation or set-point request."),
    "wrong-key": Row("grid-wrong-key", "load targets of an unknown key",
                     "The JWS does not verify under a published key."),
    "tampered": Row("grid-tampered", "load targets changed on their way",
                    "The JWS does not verify."),
    "unsigned": Row("grid-unsigned", "load targets without a signature", "alg is none."),
    "replayed": Row("grid-replayed", "old load targets come again", "An old target once more."),
    "expired": Row("grid-expired", "load targets of an hour ago", "A window that is over."),
}  # fmt: skip


def _armed(name: str) -> Strike:
    async def strike(scene: Scene) -> Mend:
        building = scene.beside[BUILDING]
        everything = len(scene.places) == len(scene.hall.places)
        things = ["*"] if everything else [place.device.name for place in scene.places]
        for thing in things:
            body = {"name": name, "thing": thing, "key": scene.key, **scene.given}
            await building.asked("arm", body)

        async def mend() -> None:
            await building.asked("disarm", {"word": scene.key})

        return mend

    return strike


async def _restart(scene: Scene) -> Mend:
    await scene.beside[BUILDING].asked("restart-broker", {})
    return nothing


def _entry(key: str, row: Row) -> Entry:
    what = Argument(name="what", what=row.what, usual="*")
    does = CATALOGUE[key].replace("`what`", "the argument `what`")
    return Entry(
        name=row.name,
        title=row.title,
        what=f"{does[0].upper()}{does[1:]}.",
        room="building",
        sources=row.sources,
        strike=_armed(key),
        arguments=(what, SHARE) if row.what else (SHARE,),
        fits="shelves, batteries, coolant units, PDUs, racks; the building system and the grid",
        seen=row.seen,
        oracle="POST /beside/building/read has the value as it is; struck of /beside/building/"
        "faults counts.",
        needs=BUILDING,
    )


FAULTS: Final = (
    *(_entry(key, row) for key, row in ROWS.items()),
    Entry(
        name="broker-restarts",
        title="the message broker restarts",
        what="The MQTT broker ends every connection and starts again; retained messages stay, "
        "subscriptions of clean sessions are gone.",
        room="building",
        strike=_restart,
        seen="The connection ends; a new one is accepted.",
        oracle="turns of /beside/building/links counts.",
        needs=BUILDING,
    ),
)
