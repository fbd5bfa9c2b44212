"""What the program imports to serve and to simulate: whoever imports this forks well, alone in its
process."""

from __future__ import annotations

import atexit
import gc
import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"

import iolaus.app.alone
import iolaus.app.commands
import iolaus.app.demo
import iolaus.app.serving
import iolaus.sim.hall_command  # noqa: F401

gc.collect()
gc.freeze()
atexit.register(gc.unfreeze)
