"""The composition root: the only place that knows all rooms. Plain calls, no framework.

`house` opens what a server is made of and closes it in the opposite order; `demo` puts a simulated
hall beside it; `alone` is what works without a server; `commands` hands all of it to the command
line. Nothing is decided here: whoever wants to know what happens reads the rooms.
"""

from __future__ import annotations


def run() -> None:
    """Entry point of the `iolaus` command."""
    from iolaus.app.commands import main

    main()
