"""Same seed, same run, bit for bit: two processes that were lucky in different ways, side by side
on a busy machine, say the same; another seed says something else."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.sim.time.player import Said, hall

pytestmark = pytest.mark.timeout(1500)
RUNS = {"one": (7, 1), "two": (7, 2), "other": (8, 1)}
"""Seed of the hall, and the process's own luck."""


def played(folder: Path, seed: int, luck: int) -> Said:
    folder.mkdir()
    with hall(folder, seed=seed, hash_seed=luck) as player:
        return player.played()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Said]:
    top = tmp_path_factory.mktemp("runs")
    with ThreadPoolExecutor(len(RUNS)) as pool:
        started = {name: pool.submit(played, top / name, *run) for name, run in RUNS.items()}
        return {name: run.result() for name, run in started.items()}


def test_the_same_seed_is_the_same_run(runs: Mapping[str, Said]) -> None:
    one, two = runs["one"], runs["two"]
    assert list(one) == list(two)
    assert [about for about in one if one[about] != two[about]] == []
    assert len(one) > 2000
    assert sum(map(len, one["messages"].values())) > 300


def test_another_seed_is_another_run(runs: Mapping[str, Said]) -> None:
    one, other = runs["one"], runs["other"]
    shown = [about for about in one if about.startswith("at last") and about in other]
    assert sum(one[about] != other[about] for about in shown) > len(shown) / 4
    for about in ("truth 3", "truth of h1-r01-u08", "messages", "login"):
        assert one[about] != other[about]


def test_work_goes_on_in_virtual_time(runs: Mapping[str, Said]) -> None:
    said = {about: str(text).replace("\\", "") for about, text in runs["one"].items()}
    assert '"TaskState": "New"' in said["push"]
    assert '"TaskState": "Completed"' in said["task 3 3"]
    assert '"SignedMeasurements": ' in said["measured"]
    assert "u001fu008b" in said["archive"]
    assert '"leaking":["h1-r01-u08"]' in said["truth 0"]
    assert '"leaking":[]' in said["truth 3"]
    assert '"state":"refuse"' in said["restart"]
    assert '"t_s":77.75' in said["advanced"]
