"""What a person gives on the command line, read with care: seeds, files, numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

import msgspec

from bench.energy.scenario import Scenario, blind, scenario
from bench.energy.score import Score
from bench.energy.table import OURS, worst
from iolaus.kernel.errors import OperatorMust

MOST_SEEDS: Final = 100_000


def seeds_of(words: str) -> list[int]:
    """`1 2 10-20` as numbers. Raises OperatorMust for anything else."""
    found: list[int] = []
    for word in words.replace(",", " ").split():
        low, _, high = word.partition("-")
        if not (low.isdecimal() and (high or low).isdecimal()):
            raise _no_seed(f"{word[:40]!r} is no seed")
        first, last = int(low), int(high or low)
        if last < first or last - first + len(found) >= MOST_SEEDS:
            raise _no_seed(f"{word[:40]!r} is empty or more than {MOST_SEEDS} seeds")
        found += range(first, last + 1)
    return list(dict.fromkeys(found))


def _no_seed(why: str) -> OperatorMust:
    return OperatorMust(
        why,
        operation="judge",
        subject="seeds",
        code="SeedUnreadable",
        next_step='Give whole numbers or ranges, as "9001 9002 0-199".',
    )


def count(word: str) -> int:
    """A whole number above zero, for argparse."""
    if not word.isdecimal() or not 0 < int(word) < 1000:
        raise argparse.ArgumentTypeError(f"{word!r} is no number from 1 to 999")
    return int(word)


def must_be_writable(path: Path) -> None:
    """Found out before an hour of work, not after it. Raises OperatorMust."""
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise OperatorMust(
            str(error.strerror),
            operation="keep scores",
            subject=str(path),
            code="FileUnwritable",
            next_step="Name a file in a folder that exists and may be written to.",
        ) from error


def kept(path: Path) -> list[Score]:
    """The scores of a run before; none where the file is empty. Raises OperatorMust for a file of
    something else."""
    try:
        data = path.read_bytes()
        return msgspec.json.decode(data, type=list[Score]) if data.strip() else []
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise OperatorMust(
            f"it holds no scores: {error}",
            operation="read scores",
            subject=str(path),
            code="ScoresUnreadable",
            next_step="Give a file that JSON= of a run has written.",
        ) from error


def pictured(word: str) -> Scenario:
    """The scenario of a seed, or the worst of a file of scores."""
    if word.isdecimal():
        return scenario(seeds_of(word)[0])
    scores = kept(Path(word))
    mine = [score for score in scores if score.controller == OURS] or scores
    bad = worst(mine)
    if bad is None:
        raise _no_seed(f"{word} holds no scores")
    known = [scenario(bad.seed), *blind(bad.seed)]
    return next(each for each in known if each.name == bad.scenario)
