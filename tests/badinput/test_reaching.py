"""`iolaus inspect` against everything that is not a well device: clear words, the right code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.badinput.command import CANARY, Shell
from tests.badinput.hostile import (
    Hostile,
    Trick,
    always,
    banner,
    half,
    huge,
    mute,
    redirecting,
    refuse,
    root_then,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("home"))


HTML = b"<!doctype html><html><body>It works!</body></html>"


@pytest.mark.parametrize(
    ("trick", "code"),
    [
        pytest.param(always(HTML, kind="text/html"), 4, id="a web page"),
        pytest.param(always(b'{"hello": "world"}'), 4, id="json that is no Redfish"),
        pytest.param(always(b'{"RedfishVersion": "1.9'), 4, id="truncated json"),
        pytest.param(always(b"[1, 2, 3]"), 4, id="a list"),
        pytest.param(always(b"\xff\xfe\x00\x01"), 4, id="no text"),
        pytest.param(always(b"[" * 100_000), 4, id="deep json"),
        pytest.param(huge(50 << 20), 4, id="50 MB of json"),
        pytest.param(always(b"", status="404 Not Found"), 4, id="404 for everything"),
        pytest.param(always(b"{}", status="500 Oops"), 4, id="500 for everything"),
        pytest.param(always(b"{}", status="403 Forbidden"), 4, id="403 for everything"),
        pytest.param(redirecting(lambda _, asked: asked.path + "x"), 4, id="endless redirects"),
        pytest.param(redirecting(lambda *_: "http://127.0.0.2:9/"), 4, id="redirect elsewhere"),
        pytest.param(banner(b"SSH-2.0-OpenSSH_9.7\r\n"), 4, id="ssh"),
        pytest.param(mute, 4, id="hangs up"),
        pytest.param(root_then(refuse("401 Unauthorized")), 4, id="401 behind the root"),
        pytest.param(root_then(refuse("503 Busy")), 4, id="503 behind the root"),
    ],
)
def test_what_is_no_well_device_is_said_so(shell: Shell, trick: Trick, code: int) -> None:
    with Hostile(trick) as server:
        said = shell("inspect", server.url, "--allow-http", "--user", "root", "-o", "json")
    if said.code == 0:
        pytest.fail(f"it was believed: {said.out[:500]}")
    said.failed(code)
    assert said.out == ""


def test_a_target_that_stops_half_way_is_given_up(shell: Shell) -> None:
    with Hostile(half) as server:
        shell("inspect", server.url, "--allow-http", "--user", "root").failed(4)


def test_nobody_listens(shell: Shell) -> None:
    with Hostile(mute) as server:
        port = server.port
    shell("inspect", f"127.0.0.1:{port}", "--user", "root").failed(4)


def test_a_name_that_nobody_knows(shell: Shell) -> None:
    shell("inspect", "no-such-host.invalid", "--user", "root").failed(4)


def test_plain_http_needs_its_switch_and_sends_nothing(shell: Shell) -> None:
    with Hostile(mute) as server:
        shell("inspect", server.url, "--user", "root").failed(3, "--allow-http")
        assert server.asked == []


@pytest.mark.parametrize(
    "words",
    [
        ("inspect", "a b"),
        ("inspect", "10.0.0.0/24", "--user", "root"),
        ("inspect", "https://root:pw@bmc", "--user", "root"),
        ("inspect", "bmc", "--user", "root", "--trust", "always"),
        ("inspect", "bmc", "--user", "root", "-o", "xml"),
        ("inspect", "bmc", "--user", "root", "--password-file", "/no/such/file"),
        ("get", "nodez"),
        ("get", "nodes", "-l", "rack=="),
        ("up", "--listen", "0.0.0.0:8080"),
        ("up", "--listen", "nonsense"),
        ("sim", "replay", "/no/such/capture"),
        ("sim", "hall", "/no/such/site.yaml"),
    ],
)
def test_bad_words_are_the_operators_to_correct(shell: Shell, words: tuple[str, ...]) -> None:
    said = shell(*words)
    assert said.code in (2, 4), said
    assert said.err.strip(), said


def test_no_server_says_how_to_start_one(shell: Shell) -> None:
    with Hostile(mute) as server:
        url = f"http://127.0.0.1:{server.port}"
    shell.anew("get", "nodes", env={"IOLAUS_URL": url}).failed(4, "iolaus up")


@pytest.mark.parametrize("name", ["index.json", "capture.tar.xz"])
def test_an_unreadable_capture_is_named(shell: Shell, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "redfish" / "v1"
    folder.mkdir(parents=True)
    path = folder / name if name == "index.json" else tmp_path / name
    path.write_bytes(b"\x00not what it says")
    said = shell("sim", "replay", tmp_path if name == "index.json" else path, "--port", "0")
    assert said.code == 2, said
    assert str(tmp_path) in said.err


def test_a_capture_into_a_folder_in_use_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with Hostile(always(b"{}", status="404 Not Found")) as server:
        said = shell("capture", server.url, tmp_path, "--allow-http", "--user", "root")
    assert said.code in (2, 4), said
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]


def test_a_full_disk_is_our_side_and_says_so(shell: Shell, tmp_path: Path) -> None:
    said = shell("serve", "--state", tmp_path / "s", "--listen", "127.0.0.1:1", disk=4096)
    assert said.code in (1, 2), said
    assert "  next:  " in said.err


@pytest.mark.parametrize("name", ["state.db", "tokens.json", "secrets"])
def test_a_corrupt_state_file_is_named_and_kept(shell: Shell, tmp_path: Path, name: str) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    damaged = state / name
    damaged.write_bytes(b"\x00 this is damaged " * 99)
    damaged.chmod(0o600)
    said = shell("serve", "--state", state, "--listen", "127.0.0.1:1")
    assert said.code in (1, 2, 5), said
    assert "  next:  " in said.err
    kept = [p.read_bytes() for p in state.iterdir() if p.name.startswith(name)]
    assert any(content.startswith(b"\x00 this is damaged") for content in kept)


def test_the_canary_is_what_would_be_seen() -> None:
    assert json.dumps(CANARY).strip('"') == CANARY
