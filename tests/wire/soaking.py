"""A parser given spoilt bytes for minutes: no crash, no hang, bounded memory.

SOAK_S sets how long each goes on, in seconds of this process' own CPU time, as a busy machine gives
less of it than the wall's clock says; so is a hang counted. One parser alone is run by its name:
`make soak SOAK_S=60 ARGS="-s -k transcript"`. The seed is printed by what fails. Memory is bounded
twice: what Python holds, and what the process holds, where libraries in C would show.
"""

from __future__ import annotations

import os
import random
import resource
import time
import tracemalloc
from collections.abc import Callable, Mapping, Sequence

import pytest

from tests.wire.hostile import spoilt

SOAK_S = float(os.environ.get("SOAK_S", "600"))
MAX_CALL_S = 2.0
MAX_TRACED = 64 << 20
MAX_GROWN = 256 << 20

_TIMEOUT = pytest.mark.timeout(SOAK_S * 100 + 120)
Parser = tuple[Callable[[bytes], object], Sequence[bytes]]


def soaks(parsers: Mapping[str, Parser]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The marks of a test that soaks each of them by `name`."""

    def mark(test: Callable[..., None]) -> Callable[..., None]:
        for each in (pytest.mark.parametrize("name", parsers), pytest.mark.soak, _TIMEOUT):
            test = each(test)
        return test

    return mark


def soak(name: str, parser: Parser, refuses: type[Exception]) -> None:
    """Whatever it is given, it takes it or raises `refuses`."""
    parse, seeds = parser
    number = random.SystemRandom().randrange(1 << 40)
    chance, count = random.Random(number), 0
    begun, held = time.process_time(), _resident()
    tracemalloc.start()
    while time.process_time() - begun < SOAK_S:
        data = spoilt(chance.choice(seeds), chance)
        before = time.thread_time()
        try:
            parse(data)
        except refuses:
            pass
        except BaseException as error:
            raise AssertionError((name, number, data.hex())) from error
        assert time.thread_time() - before < MAX_CALL_S, (number, data.hex())
        count += 1
    peak, grown = tracemalloc.get_traced_memory()[1], _resident() - held
    tracemalloc.stop()
    told = f"{name}: {count} inputs in {time.process_time() - begun:.0f} s of CPU time"
    print(f"{told}, at most {peak >> 10} KiB traced, grown by {grown >> 10} KiB, seed {number}")
    assert peak < MAX_TRACED, number
    assert grown < MAX_GROWN, number


def _resident() -> int:
    """The most bytes that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
