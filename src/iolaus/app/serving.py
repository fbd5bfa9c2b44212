"""`iolaus serve`: the server for real endpoints. Everything it was told before, it goes on with."""

from __future__ import annotations

from pathlib import Path

import msgspec
import structlog

from iolaus.app.house import HouseOptions, open_house
from iolaus.app.listening import run_server, server_of
from iolaus.north.auth import Role, TokenFile, new_token
from iolaus.north.cli.render import say
from iolaus.observe.collect import Periods
from iolaus.store.state import TOKENS

log = structlog.get_logger(__name__)


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True):
    listen: str
    state_dir: Path
    database: str | None = None
    ca_file: str | None = None
    site: str = ""
    events_url: str | None = None
    tls: tuple[Path, Path] | None = None
    periods: Periods = Periods()


async def serve(options: ServeOptions) -> None:
    """Serve until SIGINT or SIGTERM. Raises what opening the house raises."""
    url = options.events_url
    house_options = HouseOptions(
        state_dir=options.state_dir,
        listen=options.listen,
        tls=options.tls,
        site=options.site,
        ca_file=options.ca_file,
        database=options.database,
        heir=True,
        periods=options.periods,
        receiver_url=f"{url.rstrip('/')}/redfish-events" if url else None,
    )
    async with open_house(house_options) as house:
        first_token(options.state_dir)
        server = await server_of(house)
        house.begin_all(spread=True)
        count = len(list(house.state.facts.all_held()))
        scheme = "https" if options.tls else "http"
        say(f"iolaus serves {scheme}://{options.listen} with {count} endpoints; Ctrl-C stops it")
        await run_server(server, options.listen)


def first_token(state_dir: Path) -> None:
    """On the first start, an operator's token in a file that only its owner can read."""
    tokens, shown = TokenFile(state_dir / TOKENS), state_dir / "operator.token"
    if tokens.all():
        return
    text, token = new_token(Role.OPERATOR, name="operator")
    shown.touch(mode=0o600)
    shown.write_text(text + "\n")
    tokens.put(token)
    say(f"an operator's token stands in {shown}: export IOLAUS_TOKEN=$(cat {shown})")
