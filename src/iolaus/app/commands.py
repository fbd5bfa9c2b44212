"""Hands all of it to the command line."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from iolaus.app.demo import UpOptions, up
from iolaus.sim.command import ServeOptions
from iolaus.sim.hall_command import HallOptions, serve_hall


def main() -> None:
    import argparse
    from iolaus.app.logs import configure_logs

    configure_logs()
    p = argparse.ArgumentParser()
    p.add_argument("verb")
    p.add_argument("rest", nargs="*")
    p.add_argument("--nodes", type=int)
    p.add_argument("--port", type=int, default=0)
    p.add_argument("--hosts-out", type=Path)
    p.add_argument("--with-parent", action="store_true")
    p.add_argument("--listen", default="127.0.0.1:8080")
    a = p.parse_args()
    if a.verb == "sim":
        sys.exit(
            serve_hall(
                None,
                options=HallOptions(nodes=a.nodes),
                serve=ServeOptions(port=a.port, hosts_out=a.hosts_out, with_parent=a.with_parent),
            )
        )
    uvloop.run(up(UpOptions(nodes=a.nodes, listen=a.listen)))
