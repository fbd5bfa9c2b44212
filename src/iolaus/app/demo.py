"""`iolaus up`: a server, and a simulated hall beside it unless it was declined.

The hall is another process that talks HTTPS on loopback addresses, exactly as a real one would be
reached. Its password is made up for this run and passed in the environment; its certificates are
pinned from the hosts file that it writes. The state of a demonstration lives in a folder that is
removed at the end, unless the operator named one.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import structlog

from iolaus.app.banner import Banner
from iolaus.app.demo_site import give_site
from iolaus.app.house import House, HouseOptions, open_house
from iolaus.app.listening import run_server, server_of
from iolaus.app.oracle import Oracle, Place, written_down
from iolaus.app.references import References
from iolaus.app.reporting import PUBLIC_FILE
from iolaus.kernel.errors import IolausError, OperatorMust, WeErred
from iolaus.kernel.tasks import end
from iolaus.model.building import BuildingDocument, BuildingSpec, FlexWant, SenderWant
from iolaus.model.desired import Metadata
from iolaus.model.endpoint import Mode
from iolaus.north.context import ReferenceOrder
from iolaus.observe.targets import load_hosts
from iolaus.store.state import make_private
from iolaus.wire.modbus.address import parse_bus
from iolaus.wire.modbus.bus import Rates

log = structlog.get_logger(__name__)
START_S = 120.0
HALL, BUILDING = "simulated-hall", "simulated-building"
WIRING = ("modbus", "serial", "snmp")
"""Labels by which the hall tells where its gear answers besides: ports, no words of a person."""
MOST_CONSOLES = 500
"""Each host's costs two sockets."""
SLOWLY = Rates(fast_s=2.0, medium_s=4.0, slow_s=60.0)
"""A hall on a laptop shares its processor with what it simulates."""
SimulatedHall = tuple[Path, str, Place | None, Mapping[str, Any]]


class UpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """`nodes` and `site` shape the simulated hall. `state_dir` None keeps nothing."""

    nodes: int | None = None
    site: Path | None = None
    listen: str = "127.0.0.1:8080"
    state_dir: Path | None = None
    simulate: bool = True


async def up(options: UpOptions) -> None:
    """Serve until SIGINT or SIGTERM; nothing is left behind."""
    kept = options.state_dir
    state_dir = kept or Path(tempfile.mkdtemp(prefix="iolaus-up-"))
    make_private(state_dir)
    try:
        async with AsyncExitStack() as stack:
            hall = None
            if options.simulate:
                hall = await stack.enter_async_context(simulated_hall(options, state_dir))
                give_site(state_dir, load_hosts(hall[0]))
            house = await stack.enter_async_context(
                open_house(
                    HouseOptions(
                        state_dir=state_dir,
                        listen=options.listen,
                        demo=True,
                        simulated=options.simulate,
                        registers=SLOWLY,
                        heir=True,
                    )
                )
            )
            if hall is not None:
                hosts, password, place, ready = hall
                await stack.enter_async_context(trusted(house, place))
                take_on(house, hosts, password, wiring(ready))
                join_building(house, ready)
            await _serve(house, Banner(house, hall=options.site))
    finally:
        if kept is None:
            shutil.rmtree(state_dir, ignore_errors=True)


async def _serve(house: House, banner: Banner) -> None:
    server = await server_of(house)
    house.begin_all(spread=False)
    telling = asyncio.create_task(banner.tell(lambda: server.started))
    try:
        await run_server(server, house.options.listen)
    finally:
        await end(telling)


def take_on(
    house: House, hosts: Path, password: str, wired: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """Make the simulated hall's endpoints targets, pinned, with the hall's account, and with the
    buses beside them."""
    wired = wired or {}
    house.state.secrets.put(HALL, user="root", password=password)
    for target in load_hosts(hosts):
        managed = msgspec.structs.replace(
            target,
            credential=HALL,
            mode=Mode.MANAGED,
            also=wired.get(target.name or "", ()),
            labels={k: v for k, v in target.labels.items() if k not in WIRING},
        )
        house.state.facts.put_target(managed)


def wiring(ready: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
    """By name of the hall's gear: the Modbus bus beside its controller, with its units."""
    building = ready.get("building")
    if not isinstance(building, dict):
        return {}
    told = json.loads((Path(building["folder"]) / "building.json").read_text())
    return {
        name: (str(parse_bus(f"modbus+tcp://{gear['modbus']}?unit={','.join(gear['units'])}")),)
        for name, gear in told["things"].items()
        if "modbus" in gear
    }


def join_building(house: House, ready: Mapping[str, Any]) -> None:
    """Join the simulated hall's own building, unless the operator's file names another."""
    building = ready.get("building")
    if not isinstance(building, dict) or house.joining.joined is not None:
        return
    folder = Path(building["folder"])
    password = json.loads((folder / "credentials.json").read_text())["mqtt"]["IOLAUS"]
    house.state.secrets.put(BUILDING, user="IOLAUS", password=password)
    sender = building["grid"].split("/")[3]
    spec = BuildingSpec(
        broker=f"mqtt://{building['mqtt']}",
        credential=BUILDING,
        allow=["isolation", "flex", "report", "setpoint"],
        flex=FlexWant(senders=[SenderWant(name=sender, keys_file=str(folder / "grid.jwks.json"))]),
    )
    house.joining.begin(
        BuildingDocument(
            api_version="iolaus.dev/v1",
            kind="Building",
            metadata=Metadata(name="building"),
            spec=spec,
        )
    )
    public = (house.state.directory / PUBLIC_FILE).read_text()
    (folder / "agents.jwks.json").write_text(public)


@asynccontextmanager
async def simulated_hall(options: UpOptions, state_dir: Path) -> AsyncIterator[SimulatedHall]:
    """A running hall: its hosts file, its password, its second door. Ends with this process,
    however it ends.

    Raises `OperatorMust` when the site file is wrong, `WeErred` when it does not start."""
    hosts, password = state_dir / "simulated-hosts.yaml", secrets.token_urlsafe(18)
    command = [sys.executable, "-m", "iolaus", "sim", "hall", "--port", "0", "--with-parent"]
    command += ["--building", "--hosts-out", str(hosts)]
    command += ["--console"] if (options.nodes or 0) <= MOST_CONSOLES else []
    command += ["--nodes", str(options.nodes)] if options.nodes is not None else []
    command += [str(options.site)] if options.site is not None else []
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "IOLAUS_SIM_PASSWORD": password},
        start_new_session=True,
    )
    try:
        ready = await _until_ready(process)
        with written_down(ready, state_dir=state_dir, listen=options.listen) as place:
            yield hosts, password, place, ready
    finally:
        await _end(process)


async def trust(house: House, place: Place) -> list[str]:
    """The demo hall's operator trusts its simulated makers: their root lies where those of real
    makers are put, their reference values are imported. Gives the names of these."""
    with Oracle(place) as oracle:
        roots, manifests = await asyncio.to_thread(oracle.trust)
    make_private(house.attesting.anchors)
    (house.attesting.anchors / f"{HALL}.pem").write_text(roots)
    importing = References(shelf=house.state.references, clock=house.clock)
    anchor = (f"{HALL}.pem", roots.encode())
    orders = (
        ReferenceOrder(source=f"{HALL}.corim", data=data, anchors=(anchor,)) for data in manifests
    )
    return [(await importing.take(order, by="demo", keep=True)).name for order in orders]


@asynccontextmanager
async def trusted(house: House, place: Place | None) -> AsyncIterator[None]:
    """As long as the hall is there: a state that is kept must not go on trusting it."""
    names = await trust(house, place) if place is not None else []
    try:
        yield
    finally:
        (house.attesting.anchors / f"{HALL}.pem").unlink(missing_ok=True)
        for name in names:
            await house.state.references.remove(name)


async def _until_ready(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        async with asyncio.timeout(START_S):
            line = await process.stdout.readline()
            if not line:
                said = (await process.stderr.read()).decode(errors="replace").strip()
                raise _not_started(said, await process.wait())
    except TimeoutError:
        raise _not_started(f"no sign of life in {START_S:.0f} s", 1) from None
    ready: dict[str, Any] = json.loads(line)
    asyncio.get_running_loop().create_task(_drain(process.stderr))
    return ready


async def _drain(stream: asyncio.StreamReader) -> None:
    """Pass the hall's own messages on, so that its pipe never fills."""
    while line := await stream.readline():
        sys.stderr.write(line.decode(errors="replace"))


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        try:
            async with asyncio.timeout(5):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


def _not_started(said: str, code: int) -> IolausError:
    kind = OperatorMust if code == OperatorMust.exit_code else WeErred
    return kind(
        said or f"it ended with code {code}",
        operation="start",
        subject="the simulated hall",
        code="SimulatorNotStarted",
        next_step="see the message; `iolaus sim hall FILE` shows it alone.",
    )
