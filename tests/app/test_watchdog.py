"""Whoever is alive is left alone; whoever is not is begun again, once."""

from __future__ import annotations

import threading
import time

from iolaus.app.watchdog import Watchdog


def test_a_hung_loop_is_bitten_once() -> None:
    bitten = threading.Event()
    dog = Watchdog(bite=bitten.set, round_s=0.02)
    dog.start()
    assert bitten.wait(20)
    dog.stop()


def test_a_loop_that_comes_round_is_left_alone() -> None:
    bitten = threading.Event()
    dog = Watchdog(bite=bitten.set, round_s=0.2)
    dog.start()
    for _ in range(10):
        dog.pat()
        time.sleep(0.03)
    assert not bitten.is_set()
    dog.stop()
