"""The command line against servers that are absent, wrong, or not ours; and its streams."""

from __future__ import annotations

import errno
import io
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.kernel.errors import DeviceSilent, OperatorMust, Unverified
from iolaus.kernel.ports import free_port
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.cli import Commands, build_cli, run_cli
from iolaus.north.cli.cells import printable, short_age
from iolaus.north.cli.client import Client
from iolaus.north.cli.discover import show
from iolaus.north.cli.render import Output
from tests.north import hall
from tests.north.cli.test_golden import run
from tests.north.conftest import Finder, make_context, serving


@contextmanager
def answering(raw: bytes) -> Iterator[str]:
    """A server that says the same bytes to everyone."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listener.accept()
            except OSError:
                return
            with one:
                one.recv(65536)
                one.sendall(raw)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def test_no_server_is_4_and_says_how_to_start_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLAUS_URL", f"http://127.0.0.1:{free_port()}")
    for line in ("get nodes", "get nodes -w", "describe node x", "events", "summary", "discover a"):
        told = run(line)
        assert "exit code 4" in told
        assert "refuses the connection" in told
        assert "iolaus up" in told
        assert "Traceback" not in told


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", 1),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", 1),
        (b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", 1),
        (b"HTTP/1.1 404 No\r\nContent-Length: 4\r\n\r\nnope", 2),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 4),
        (b"SSH-2.0-OpenSSH\r\n", 4),
        (b"", 4),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{", 4),
        (b'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n{"items": 3}', 1),
    ],
)
def test_what_is_not_iolaus_is_told(raw: bytes, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(raw) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        told = run("get nodes")
    assert f"exit code {code}" in told
    assert "Traceback" not in told
    assert "next:" in told


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://[", "http://"])
def test_a_bad_address_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IOLAUS_URL", url)
    told = run("get nodes")
    assert "exit code 2" in told
    assert "IOLAUS_URL" in told


def test_a_token_is_sent_and_its_absence_told(monkeypatch: pytest.MonkeyPatch) -> None:
    text, token = new_token(Role.VIEWER, name="v")
    with serving(make_context(JumpClock(), auth=Auth(tokens=TokenList(token)))) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        monkeypatch.delenv("IOLAUS_TOKEN", raising=False)
        refused = run("get nodes")
        assert "exit code 3" in refused
        assert "IOLAUS_TOKEN" in refused
        monkeypatch.setenv("IOLAUS_TOKEN", text)
        assert "h1-r01-u01" in run("get nodes")
        assert "exit code 3" in run("discover a")
        assert text not in run("get nodes -l a,,b") + refused


def test_long_lists_come_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("iolaus.north.cli.client.PAGE", 3)
    with serving(make_context(JumpClock(), nodes=10)) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        names = run("get nodes -o name")
        assert names.count("node/") == 10
        assert run("events --limit 4 -o name").count("event/") == 4


def test_watching_prints_a_line_for_each_change() -> None:
    context = make_context(JumpClock())
    with (
        serving(context) as url,
        Client(url) as client,
        closing(client.watch("/api/v1/nodes")) as changes,
    ):
        first = [next(changes) for _ in range(4)]
        assert {word for word, _ in first} == {"ADDED"}
        context.facts.remove_target(hall.address(3))
        word, row = next(changes)
        assert (word, row["name"]) == ("DELETED", "h1-r01-u04")


def test_a_watch_refused_is_an_error() -> None:
    refused = pytest.raises(OperatorMust, match="comma")
    with serving(make_context(JumpClock())) as url, Client(url) as client, refused:
        next(client.watch("/api/v1/nodes", labelSelector="a,,b"))
    with Client(f"http://127.0.0.1:{free_port()}") as client, pytest.raises(DeviceSilent):
        next(client.watch("/api/v1/nodes"))


def test_a_password_comes_from_a_file_or_the_environment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = make_context(JumpClock())
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.delenv("IOLAUS_BMC_PASSWORD", raising=False)
    (tmp_path / "pw").write_text("s3cret\n")
    (tmp_path / "hosts.yaml").write_text("hosts: [{address: a}]")
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        assert "IOLAUS_BMC_PASSWORD" in run("discover a --user root")
        line = f"discover a -f {tmp_path}/hosts.yaml --user root --password-file {tmp_path}/pw"
        assert "exit code 0" in run(line + " --trust first")
        monkeypatch.setenv("IOLAUS_BMC_PASSWORD", "other")
        assert "exit code 0" in run("discover a --user root -o json")
        assert "cannot be read" in run("discover a --user root --password-file /nothing")
        assert "No such option" in run("discover a --user root --password x")
    assert isinstance(context.discover, Finder)
    first, second = context.discover.orders
    assert (first.password, first.user, first.trust_first) == ("s3cret", "root", True)
    assert first.hosts_file == "hosts: [{address: a}]"
    assert second.password == "other"


def test_forgetting_takes_a_yes(monkeypatch: pytest.MonkeyPatch) -> None:
    context = make_context(JumpClock())
    with serving(context) as url:
        monkeypatch.setenv("IOLAUS_URL", url)
        assert "exit code 0" in run("forget endpoint/h1-r01-u04 --yes")
        assert context.facts.held(hall.address(3)) is None


@pytest.mark.parametrize(
    ("counts", "state", "code"),
    [
        ({"new": 2}, "Succeeded", 0),
        ({"new": 2, "silent": 250}, "Succeeded", 0),
        ({"silent": 254}, "Succeeded", 4),
        ({"new": 1, "failed": 1}, "Partial", 1),
        ({"failed": 1}, "Failed", 4),
        ({}, "Failed", 2),
    ],
)
def test_exit_codes_of_a_discovery(
    counts: dict[str, int], state: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {
        "state": state,
        "counts": counts,
        "results": [],
        "message": "",
        "next_step": "",
        "code": "",
    }
    assert show({"metadata": {"name": "t"}, "status": status}, Output.TABLE) == code


def test_only_unverified_certificates_is_5(capsys: pytest.CaptureFixture[str]) -> None:
    result = {"address": "https://a", "outcome": "refused", "message": "x", "fingerprint": "ab"}
    status = {
        "state": "Failed",
        "counts": {"refused": 1},
        "results": [result],
        "message": "",
        "next_step": "",
        "code": "",
    }
    assert show({"metadata": {"name": "t"}, "status": status}, Output.TABLE) == 5
    assert "certificate ab" in capsys.readouterr().out


def test_what_the_house_hands_in_becomes_commands(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    def up(nodes: int = 4) -> None:
        """Start."""
        seen.append(f"up {nodes}")

    def hall_(file: str) -> None:
        """Build a hall."""
        seen.append(f"hall {file}")

    def inspect(target: str) -> None:
        """Look."""
        raise Unverified("unknown certificate", operation="inspect", subject=target)

    def doctor() -> None:
        """Check."""
        raise ExceptionGroup("tasks", [ZeroDivisionError("boom")])

    app = build_cli(Commands(version="1", up=up, sim_hall=hall_, inspect=inspect, doctor=doctor))
    assert run_cli(app, ["up", "--nodes", "9"]) == 0
    assert run_cli(app, ["sim", "hall", "x.yaml"]) == 0
    assert run_cli(app, ["inspect", "https://a"]) == 5
    assert run_cli(app, ["doctor"]) == 1
    assert run_cli(app, ["serve"]) == 2
    assert seen == ["up 9", "hall x.yaml"]
    told = capsys.readouterr()
    assert "our own fault: ZeroDivisionError: boom" in told.err
    assert told.out == ""


WORDY = """
import sys
from iolaus.north.cli import Commands, build_cli, run_cli
from iolaus.north.cli.render import write

def up() -> None:
    for _ in range(100_000):
        write("x" * 1000)

nothing = lambda: None
app = build_cli(Commands(version="1", up=up, sim_hall=nothing, inspect=nothing, doctor=nothing))
sys.exit(run_cli(app, ["up"]))
"""


def test_a_reader_that_went_away_is_nobodys_fault() -> None:
    """As in `iolaus get nodes | head`."""
    command = [sys.executable, "-c", WORDY]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout
        assert running.stderr
        running.stdout.read(1)
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait() == 0


def test_another_pipe_that_breaks_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and not a word would read as differences."""

    def broken() -> None:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    def nothing() -> None:
        """Nothing."""

    app = build_cli(
        Commands(version="1", up=broken, sim_hall=nothing, inspect=nothing, doctor=nothing)
    )
    before = sys.stdout, sys.stderr
    try:
        assert run_cli(app, ["up"]) == 1
    finally:
        sys.stdout, sys.stderr = before
    assert "our own fault: BrokenPipeError: [Errno 32] Broken pipe" in capsys.readouterr().err


def test_device_text_cannot_drive_a_terminal() -> None:
    assert printable("a\x1b[31mb\n") == "a?[31mb?"


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "-"), (0.4, "0s"), (119, "119s"), (120, "2m"), (8000, "2h")]
)
def test_short_ages(seconds: float | None, text: str) -> None:
    assert short_age(seconds) == text


def test_a_server_that_took_the_question_is_busy_and_not_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its silence is not met with advice to start another one."""
    monkeypatch.delenv("IOLAUS_TOKEN", raising=False)
    with closing(socket.create_server(("127.0.0.1", 0))) as quiet:
        url = f"http://127.0.0.1:{quiet.getsockname()[1]}"
        with Client(url) as client, pytest.raises(DeviceSilent) as caught:
            client._response("GET", "/api/v1/causes", {}, patience_s=0.2)
    assert caught.value.code == "ServerBusy"
    assert "start one" not in caught.value.next_step


def test_only_the_command_that_a_person_names_is_put_together() -> None:
    alone = build_cli(Commands(version="1"), ["get", "nodes"])
    assert [command.name for command in alone.registered_commands] == ["get"]
    whole = build_cli(Commands(version="1"), ["gte", "nodes"])
    assert len(whole.registered_commands) > 20
