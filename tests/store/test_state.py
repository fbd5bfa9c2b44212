from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import OperatorMust
from iolaus.store.state import default_state_dir, lock_directory, open_state
from tests.store.made import T0, ask_for, asset, hot, reading, report

HOLD = """
import sys
from pathlib import Path
from iolaus.store.state import lock_directory
lock_directory(Path(sys.argv[1]))
print("held", flush=True)
input()
"""


async def test_everything_is_kept_together(clock: JumpClock, tmp_path: Path) -> None:
    directory = tmp_path / "some" / "state"
    state = open_state(directory, clock=clock)
    await state.start()
    assert directory.stat().st_mode & 0o777 == 0o700
    ask_for(state.facts, "https://a")
    me = asset(serial="S1")
    state.facts.record_report(report("https://a", [me], readings=(reading("t", 20.0),)))
    state.facts.record_hot(hot("https://a", at=T0 + 1, readings=(reading("t", 21.0, at=T0 + 1),)))
    state.secrets.put("one", user="u", password="p")
    state.sessions.remember("https://a", "/s/1")
    await state.close()
    for file in directory.iterdir():
        assert file.stat().st_mode & 0o077 == 0 or directory.stat().st_mode & 0o077 == 0

    again = open_state(directory, clock=clock)
    await again.start()
    uid = again.facts.uid("https://a", me.key)
    (trace,) = await again.series.query(start=T0, end=T0 + 10, points=1, asset=uid)
    assert trace.buckets[0].samples == 2
    assert again.secrets.names() == ("one",)
    assert again.sessions.ours("https://a") == ("/s/1",)
    await again.close()


async def test_two_never_share_a_directory(clock: JumpClock, tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(OperatorMust) as caught:
            open_state(tmp_path, clock=clock)
        assert str(other.pid) in caught.value.message
        other.send_signal(signal.SIGKILL)
    state = open_state(tmp_path, clock=clock)
    assert (tmp_path / "lock").read_text()
    await state.close()


def test_a_failed_opening_lets_the_directory_go(clock: JumpClock, tmp_path: Path) -> None:
    (tmp_path / "secrets").write_bytes(b"not ours")
    with pytest.raises(OperatorMust):
        open_state(tmp_path, clock=clock)
    lock_directory(tmp_path)()


def test_an_open_directory_is_closed_to_others(clock: JumpClock, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    lock_directory(tmp_path)()
    (tmp_path / "secrets").write_bytes(b"x")
    with pytest.raises(OperatorMust):
        open_state(tmp_path, clock=clock)
    assert tmp_path.stat().st_mode & 0o777 == 0o700


def test_a_file_where_the_directory_should_be_is_named(clock: JumpClock, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for directory in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(OperatorMust):
            open_state(directory, clock=clock)


def test_the_default_directory_is_the_users() -> None:
    assert default_state_dir().name == "iolaus"
