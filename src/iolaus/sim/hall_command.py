"""`iolaus sim hall`: from a site file, or from a wanted size, to devices that listen."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from iolaus.kernel.clock import Clock, WallClock
from iolaus.kernel.errors import IolausError
from iolaus.sim.clock import VirtualClock
from iolaus.sim.command import (
    Companion,
    Ready,
    ServeOptions,
    print_ready,
    read_password,
    serve_devices,
)
from iolaus.sim.device import Device
from iolaus.sim.hall import build_hall
from iolaus.sim.hall_site import Site, load_site
from iolaus.sim.hall_sizes import default_site
from iolaus.sim.timekeeper import keep_time, virtual_clock


@dataclass(frozen=True, slots=True, kw_only=True)
class HallOptions:
    """`nodes` grows the default hall, or stops a site's hall after so many nodes. `user` and
    `password_file` overrule the site file's credentials. `physics` steps a plant behind the
    devices (else each is computed by itself); `building` adds the building side and `console`
    the hosts' serial consoles. `virtual`: time stands until the oracle moves it, or runs at `speed`
    times real time. `processes` share the devices out, 0: as many as there are CPUs, and as open
    files need."""

    nodes: int | None = None
    user: str | None = None
    password_file: Path | None = None
    physics: bool = True
    building: bool = False
    console: bool = False
    virtual: bool = False
    speed: float | None = None
    processes: int = 1


def hall_devices(
    site: Site,
    options: HallOptions,
    *,
    beside: Path | None = None,
    clock: Clock | None = None,
    only: Collection[int] | None = None,
) -> list[Device]:
    """Every device of the site (`only`: those of these numbers), ready to be served. A relative
    password file of the site is looked for in the folder `beside`. Raises OperatorMust."""
    accounts = _accounts(site, options, beside)
    seats = build_hall(site, options.nodes, only=only)
    return [seat.device(accounts=accounts, clock=clock) for seat in seats]


def serve_hall(
    file: Path | None,
    *,
    options: HallOptions | None = None,
    serve: ServeOptions | None = None,
    ready: Ready = print_ready,
) -> int:
    """Serve the hall of a site file (None: the default one) until told to stop; the exit code."""
    options, serve = options or HallOptions(), serve or ServeOptions()
    try:
        if options.processes != 1:
            from iolaus.sim.processes.serve import serve_apart

            return serve_apart(file, options=options, serve=serve, ready=ready)
        clock = _clock(options)
        site = site_of(file, options)
        devices = hall_devices(site, options, beside=file.parent if file else None, clock=clock)
        companions = _companions(site, options, clock)
    except IolausError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return serve_devices(devices, serve=serve, ready=ready, companions=companions)


def site_of(file: Path | None, options: HallOptions) -> Site:
    """Raises OperatorMust."""
    return default_site(options.nodes) if file is None else load_site(file)


def _companions(site: Site, options: HallOptions, clock: Clock) -> Mapping[str, Companion]:
    found: dict[str, Companion] = {}
    if isinstance(clock, VirtualClock):
        found["clock"] = _timekeeper(clock)
    if options.physics:
        found["twin"] = _twin(site, clock)
    if options.building:
        found["building"] = _building(site.seed, clock)
    if options.console:
        from iolaus.sim.serve.consoles import serve_consoles  # heavy: only where it is asked for

        found["console"] = serve_consoles
    return found


def _clock(options: HallOptions) -> Clock:
    virtual = options.virtual or options.speed is not None
    return virtual_clock(options.speed) if virtual else WallClock()


def _timekeeper(clock: VirtualClock) -> Companion:
    return lambda devices: keep_time(devices, clock)


def _twin(site: Site, clock: Clock) -> Companion:
    """Raises OperatorMust if the site's arrivals cannot be read."""
    from iolaus.sim.physics.arrivals import load_azure  # heavy: only where it is asked for
    from iolaus.sim.twin.serve import serve_twin

    arrivals = load_azure(site.arrivals) if site.arrivals else None
    return lambda devices: serve_twin(
        devices, clock=clock, seed=site.seed, works=site.works, arrivals=arrivals
    )


def _building(seed: int, clock: Clock) -> Companion:
    from iolaus.sim.building.serve import (  # heavy: only where it is asked for
        BuildingOptions,
        serve_building,
    )

    options = BuildingOptions(seed=seed)
    return lambda devices: serve_building(devices, options=options, clock=clock)


def _accounts(site: Site, options: HallOptions, beside: Path | None) -> Mapping[str, str]:
    file = options.password_file
    if file is None and site.account.password_file is not None:
        file = (beside or Path()) / site.account.password_file
    return {options.user or site.account.user: read_password(file)}
