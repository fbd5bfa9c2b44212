"""`python -m bench.scale [WORD]`: how a hall of many processes grows, with real processes.

grow       1, 2 and 4 edges with as many nodes each: CPU a node while read first and while held
hold       one size (`--nodes 10240 --edges 4 --poll-every 600`), for as long as --window says; how
           it stands is printed every 15 s, and the table of docs/sizing.md at the end, also where
           it is not read --within so many seconds, or is ended by Ctrl-C or SIGTERM
bus        events a second through outboxes, three bus servers, a core's intake and PostgreSQL
takeover   how long until another has what a killed process had; with --filled 5000 of a core alone,
           whose hall is in the database and not simulated
passes     what a core looks through every few seconds, in a filled hall (`--nodes 2000`)

`--cpus 0` keeps all of it on one CPU. Nothing given is all of them, small. CPU seconds are each
process' own, the simulator's apart, and worth quoting; wall times are worth something only where
nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import sys

from bench.ending import INTERRUPTED
from bench.scale.bus import bus
from bench.scale.filled import take_over_filled
from bench.scale.grow import grow, hold
from bench.scale.passes import passes
from bench.scale.takeover import takeover
from iolaus.kernel.errors import OperatorMust


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench.scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("word", nargs="?", choices=["grow", "hold", "bus", "takeover", "passes"])
    parser.add_argument("--nodes", type=int, default=0, help="grow: an edge; else in all")
    parser.add_argument("--edges", default="1,2,4", help="counts, e.g. 1,2,4; hold: one count")
    parser.add_argument("--window", type=float, default=60.0, help="seconds that it is held")
    parser.add_argument("--within", type=float, default=3600.0, help="hold: seconds to read it")
    parser.add_argument("--poll-every", type=float, default=10.0, help="hold: as of `iolaus edge`")
    parser.add_argument("--cpus", default="", help="keep everything to these, e.g. 0,1")
    parser.add_argument("--events", type=int, default=50_000, help="bus: of each sender")
    parser.add_argument(
        "--filled", type=int, default=0, help="takeover: of a core that knows so many"
    )
    parser.add_argument("--times", type=int, default=3, help="takeover: kills of each")
    given = parser.parse_args(words)
    edges = tuple(int(each) for each in given.edges.split(","))
    if given.cpus:
        os.sched_setaffinity(0, {int(each) for each in given.cpus.split(",")})
    match given.word:
        case "grow":
            return grow(edges=edges, nodes=given.nodes or 128, window_s=given.window)
        case "hold":
            return hold(
                nodes=given.nodes or 1024,
                edges=edges[-1],
                window_s=given.window,
                within_s=given.within,
                poll_every=given.poll_every,
            )
        case "bus":
            return bus(senders=edges, events=given.events)
        case "takeover" if given.filled:
            return take_over_filled(nodes=given.filled, times=given.times)
        case "takeover":
            return takeover(nodes=given.nodes or 12, times=given.times)
        case "passes":
            return passes(nodes=given.nodes or 2000)
        case _:
            return max(
                bus(senders=(1, 2), events=5_000),
                grow(edges=(1, 2), nodes=given.nodes or 12, window_s=20.0),
                takeover(nodes=12, times=1),
            )


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except OperatorMust as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted: what was started is stopped, and nothing is claimed\n")
        sys.exit(INTERRUPTED)
