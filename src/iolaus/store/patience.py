"""Connections to PostgreSQL that give up a server of which nothing is heard.

The kernel ends a line that acknowledges nothing. It knows nothing of one that still takes what is
sent, as a switch, a proxy or a frozen server does; whoever waits there would wait for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any


def connect_patiently(*given: Any, patience_s: Callable[[], float], **words: Any) -> Any:
    """As `psycopg.connect`. While something is waited for and nothing comes for `patience_s`, the
    connection is over, and `psycopg.OperationalError` says so."""
    from psycopg import Connection, OperationalError  # only who has PostgreSQL has it

    class Patient(Connection[Any]):
        def wait(self, gen: Generator[Any, Any, Any], *given: Any, **words: Any) -> Any:
            return super().wait(self._heard(gen), *given, **words)

        def _heard(self, gen: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
            ready, heard_s = None, time.monotonic()
            while True:
                try:
                    waits = gen.send(ready)
                except StopIteration as over:
                    return over.value
                ready = yield waits
                if ready:
                    heard_s = time.monotonic()
                elif time.monotonic() - heard_s > patience_s():
                    self.pgconn.finish()
                    raise OperationalError(f"the server said nothing for {patience_s():g} s")

    return Patient.connect(*given, **words)
