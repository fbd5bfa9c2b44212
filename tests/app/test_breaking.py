"""`iolaus sim faults|explain` and `iolaus demo break|mend|faults`, against a hall over the wire."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
import yaml
from tests.sim.catalogue.stage import CPU, Stage, staged

from iolaus.app import breaking
from iolaus.app.demo import UpOptions, simulated_hall
from iolaus.app.oracle import FOLDER, written_down
from iolaus.north.cli.build import Commands, build_cli, run_cli
from iolaus.store.state import default_state_dir

COMMANDS = Commands(
    version="0",
    sim={"faults": breaking.sim_faults, "explain": breaking.sim_explain},
    demo={
        "break": breaking.demo_break,
        "mend": breaking.demo_mend,
        "faults": breaking.demo_faults,
    },
)
LISTEN = "127.0.0.1:8099"


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IOLAUS_URL", raising=False)


def run(*words: str) -> int:
    return run_cli(build_cli(COMMANDS, words), words)


async def ran(*words: str) -> int:
    return await asyncio.to_thread(run, *words)


def ready(on: Stage) -> dict[str, object]:
    return {"oracle": {"url": on.oracle.url, "token": on.oracle.token}}


def test_the_list_is_a_table_and_data(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sim", "faults") == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[0].split() == ["FAULT", "ROOM", "SOURCE", "WHAT", "HAPPENS"]
    assert "accepts-and-ignores" in printed
    assert run("sim", "faults", "leak", "-o", "json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "FaultList"
    assert "leak-tray" in {item["name"] for item in found["items"]}
    assert run("sim", "faults", "leak", "-o", "yaml") == 0
    assert yaml.safe_load(capsys.readouterr().out)["items"] == found["items"]
    assert run("sim", "faults", "-o", "name") == 0
    assert len(capsys.readouterr().out.split()) > 90
    assert run("sim", "faults", "no-such-word") == 2
    assert run("sim", "faults", "-o", "xml") == 2


def test_a_fault_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("sim", "explain", "account-locks") == 0
    printed = capsys.readouterr().out
    assert "--set KEY=VALUE" in printed
    assert "300 s" in printed
    assert run("sim", "explain", "account-locks", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out)["arguments"][0]["name"] == "tries"
    assert run("sim", "explain", "acount-locks") == 2
    assert "Did you mean 'account-locks'?" in capsys.readouterr().err


async def test_break_look_and_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    async with staged() as on:
        with written_down(ready(on), state_dir=tmp_path, listen=LISTEN):
            assert await ran("demo", "faults") == 0
            assert "nothing is broken" in capsys.readouterr().err
            words = ("-l", CPU, "--for", "90s", "--set", "seconds=7")
            assert await ran("demo", "break", "stale-reads", *words) == 0
            assert f"stale-reads is on for 90 s: {CPU}" in capsys.readouterr().err
            assert await ran("demo", "break", "silent", "--all", "-o", "json") == 0
            told = json.loads(capsys.readouterr().out)
            assert len(told["on"]) == len(on.hall.devices)
            assert await ran("demo", "faults") == 0
            assert "stale-reads-1" in capsys.readouterr().out
            assert await ran("demo", "mend", "silent", "--state", str(tmp_path)) == 0
            assert await ran("demo", "faults", "-o", "json") == 0
            (left,) = json.loads(capsys.readouterr().out)["items"]
            assert left["with"] == {"seconds": 7.0}
            assert await ran("demo", "mend") == 0
            assert (await on.tell("GET", "/faults"))["on"] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("break", "silent"), "--all"),
        (("break", "silnt", "-l", "x"), "silent"),
        (("break", "silent", "-l", "nobody"), "nobody"),
        (("break", "silent", "-l", "a,,b"), "comma"),
        (("break", "slow", "--all", "--for", "long"), "30s"),
        (("break", "slow", "--all", "--set", "seconds"), "KEY=VALUE"),
        (("break", "slow", "--all", "--set", "second=3"), "seconds"),
        (("break", "bms-deaf", "--all"), "--building"),
        (("mend", "slow"), "demo faults"),
    ],
)
async def test_what_is_wrong_is_said_with_the_next_step(
    words: tuple[str, ...], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with staged() as on:
        with written_down(ready(on), state_dir=tmp_path, listen=LISTEN):
            assert await ran("demo", *words) == 2
            assert says in capsys.readouterr().err
            assert (await on.tell("GET", "/faults"))["on"] == []


async def test_the_oracle_is_written_down_privately_and_forgotten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = default_state_dir() / FOLDER
    async with staged() as on:
        with written_down(ready(on), state_dir=tmp_path, listen=LISTEN):
            files = [tmp_path / "demo.json", folder / "8099.json"]
            assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in files)
            monkeypatch.setenv("IOLAUS_URL", "http://127.0.0.1:8098")
            assert await ran("demo", "faults") == 2
            monkeypatch.setenv("IOLAUS_URL", f"http://{LISTEN}")
            assert await ran("demo", "faults") == 0
            await on.oracle.stop()
            assert await ran("demo", "faults") == 4
            assert "iolaus up" in capsys.readouterr().err
        assert not any(file.exists() for file in files)
        assert await ran("demo", "faults") == 2


def test_a_hall_without_an_oracle_leaves_no_word(tmp_path: Path) -> None:
    with written_down({}, state_dir=tmp_path, listen=LISTEN):
        assert list(tmp_path.iterdir()) == []


async def test_the_hall_of_a_demonstration_is_broken_from_outside(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = ("--state", str(tmp_path))
    async with simulated_hall(UpOptions(nodes=1, listen=LISTEN), tmp_path):
        assert await ran("demo", "break", "broken-update", "-l", "role=node", *state) == 0
        assert "broken-update is on" in capsys.readouterr().err
        assert await ran("demo", "faults", "-o", "name") == 0
        assert capsys.readouterr().out == "broken-update-1\n"
    assert await ran("demo", "faults", *state) == 2
