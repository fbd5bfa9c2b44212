"""`python -m iolaus.sim replay PATH...`: the replay without the rest of the house."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from iolaus.sim.command import DEFAULT_PORT, ReplayOptions, ServeOptions, serve_replay
from iolaus.sim.device import Latency
from iolaus.sim.server import DEFAULT_SUBNET


def main(argv: list[str] | None = None) -> int:
    found = _arguments().parse_args(argv)
    latency = Latency(median_s=found.latency_ms / 1000, sigma=found.latency_sigma)
    replay = ReplayOptions(
        user=found.user,
        password_file=found.password_file,
        sessions=not found.no_sessions,
        session_limit=found.session_limit,
        page_size=found.page_size,
        slots=found.slots,
        latency=latency,
        copies=found.copies,
        seed=found.seed,
    )
    serve = ServeOptions(
        subnet=found.subnet,
        port=found.port,
        tls=not found.http,
        tls_dir=found.tls_dir,
        hosts_out=found.hosts_out,
        faults=found.faults,
        with_parent=found.with_parent,
    )
    return serve_replay(found.path, replay=replay, serve=serve)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m iolaus.sim", description=__doc__)
    replay = parser.add_subparsers(required=True, metavar="COMMAND").add_parser("replay")
    replay.add_argument("path", nargs="+", type=Path, help="captures, or folders of captures")
    replay.add_argument("--subnet", default=DEFAULT_SUBNET, help="first address")
    replay.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: one that is free")
    replay.add_argument("--http", action="store_true", help="plain HTTP, no TLS")
    replay.add_argument("--tls-dir", type=Path, help="keep certificates here")
    replay.add_argument("--hosts-out", type=Path, help="write the hosts file here")
    replay.add_argument("--faults", type=Path, help="fault rules, YAML or JSON")
    replay.add_argument("--user", default="root")
    replay.add_argument("--password-file", type=Path)
    replay.add_argument("--no-sessions", action="store_true", help="withhold session log-in")
    replay.add_argument("--session-limit", type=int, default=8)
    replay.add_argument("--page-size", type=int, default=0)
    replay.add_argument("--slots", type=int, default=0, help="requests at a time per device")
    replay.add_argument("--latency-ms", type=float, default=0.0)
    replay.add_argument("--latency-sigma", type=float, default=0.0)
    replay.add_argument("--copies", type=int, default=1)
    replay.add_argument("--seed", type=int, default=0)
    replay.add_argument("--with-parent", action="store_true", help="end when the parent does")
    return parser


if __name__ == "__main__":
    sys.exit(main())
