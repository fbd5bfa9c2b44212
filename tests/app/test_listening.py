"""A process that stands by has loaded what it will need."""

from __future__ import annotations

import logging
import sys

from iolaus.app.listening import warm


def test_what_a_server_needs_is_loaded_and_nothing_is_changed_by_it() -> None:
    before = list(logging.getLogger().handlers)
    warm()
    assert {"litestar.plugins.pydantic", "uvicorn.protocols.websockets"} <= sys.modules.keys()
    assert logging.getLogger().handlers == before
