"""What befalls a controller's manners, by name: on and off at run time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from iolaus.sim.device import Device
from iolaus.sim.manners.console import consoles_of, hosts


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """`seen` is how a client sees it, `oracle` where the truth is."""

    title: str
    what: str
    source: str
    strike: Callable[[Device], None]
    mend: Callable[[Device], None]
    seen: str = ""
    oracle: str = ""
    fits: str = ""
    kinds: frozenset[str] = frozenset()


def _panic(device: Device) -> None:
    """The kernel of each host dies; its last words are seen where its console is served."""
    consoles = consoles_of(device)
    for system in hosts(device) if consoles is not None else ():
        if (device.kept(system) or {}).get("PowerState") == "On" and consoles is not None:
            consoles.panic(system)


CATALOGUE: Final[Mapping[str, Flaw]] = {
    "kernel-panics": Flaw(
        title="the host's kernel dies",
        what="An oops and a panic on the serial console; the host answers nothing any more until "
        "it is reset. The controller sees power as before and notices nothing. Mending the fault "
        "does not revive the host, a reset does.",
        source="",
        strike=_panic,
        mend=lambda device: None,  # noqa: ARG005  a reset is what mends it
        seen="The oops on the console, which then echoes nothing; PowerState stays On.",
        oracle="hung of GET /truth/NAME names hosts whose kernel is dead.",
        fits="machines with a host that has a serial console",
        kinds=frozenset({"node", "dpu", "switch"}),
    ),
}
