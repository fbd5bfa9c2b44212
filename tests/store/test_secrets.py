from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iolaus.kernel.errors import IolausError, OperatorMust, Unverified
from iolaus.store.own import Login
from iolaus.store.secrets import KEY_VARIABLE, Secrets, rank


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secrets"


def test_logins_come_back_and_the_disk_shows_nothing(path: Path) -> None:
    store = Secrets(path)
    store.put("dell", user="admin-user", password="pa55-w0rd")
    store.assign("10.0.0.0/8", "dell")
    again = Secrets(path)
    assert again.get("dell") == Login(user="admin-user", password="pa55-w0rd")
    assert again.assignments() == {"10.0.0.0/8": "dell"}
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0
        for word in (b"dell", b"admin-user", b"pa55", b"10.0.0.0"):
            assert word not in file.read_bytes()
    assert again.remove("dell")
    assert not again.remove("dell")
    assert (Secrets(path).names(), Secrets(path).assignments()) == ((), {})


def test_nothing_shows_a_password(path: Path) -> None:
    store = Secrets(path)
    store.put("dell", user="root", password="pa55-w0rd")
    assert "pa55" not in f"{store!r} {store.get('dell')!r} {store.get('dell')} {vars(store)!r}"


def test_the_wrong_key_and_a_touched_file_are_told(path: Path) -> None:
    Secrets(path).put("dell", user="root", password="pa55-w0rd")
    key, content = path.with_suffix(".key").read_bytes(), path.read_bytes()
    path.with_suffix(".key").write_bytes(bytes(32))
    with pytest.raises(Unverified) as caught:
        Secrets(path)
    assert caught.value.next_step
    path.with_suffix(".key").write_bytes(key)
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(Unverified):
        Secrets(path)
    path.write_bytes(content)
    assert Secrets(path).get("dell")


def test_a_missing_or_short_key_is_told(path: Path) -> None:
    Secrets(path).put("dell", user="root", password="x")
    path.with_suffix(".key").rename(path.with_suffix(".gone"))
    with pytest.raises(OperatorMust, match="missing"):
        Secrets(path)
    path.with_suffix(".key").touch(mode=0o600)
    with pytest.raises(OperatorMust, match="not a key"):
        Secrets(path)


@pytest.mark.parametrize("suffix", ["", ".key"])
def test_files_that_others_may_read_are_refused(path: Path, suffix: str) -> None:
    Secrets(path).put("dell", user="root", password="x")
    path.with_name(path.name + suffix).chmod(0o640)
    with pytest.raises(OperatorMust) as caught:
        Secrets(path)
    assert caught.value.code == "SecretsExposed"


def test_the_key_may_lie_elsewhere(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = path.with_name("mounted")
    monkeypatch.setenv(KEY_VARIABLE, str(elsewhere))
    Secrets(path).put("dell", user="root", password="x")
    assert elsewhere.exists()
    assert not path.with_suffix(".key").exists()


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_are_refused_by_an_error_of_ours(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("s") / "secrets"
    Secrets(path).put("dell", user="root", password="x")
    path.write_bytes(content)
    with pytest.raises(IolausError):
        Secrets(path)


def test_an_unknown_credential_is_not_assigned(path: Path) -> None:
    with pytest.raises(OperatorMust, match="no credential"):
        Secrets(path).assign("default", "nobody")


def test_the_most_specific_assignment_wins(path: Path) -> None:
    store = Secrets(path)
    patterns = ("default", "*.bmc.example", "10.0.0.0/8", "10.1.0.0/16", "https://10.1.2.3")
    for pattern in patterns:
        store.put(pattern, user=pattern, password="x")
        store.assign(pattern, pattern)

    def user(address: str, name: str | None = None) -> str | None:
        login = store.login_for(address, name=name)
        return login.user if login else None

    assert user("https://10.1.2.3") == "https://10.1.2.3"
    assert user("https://10.1.2.4:8443") == "10.1.0.0/16"
    assert user("https://10.2.2.4") == "10.0.0.0/8"
    assert user("https://n1.bmc.example") == "*.bmc.example"
    assert user("https://elsewhere") == "default"
    assert user("https://elsewhere", "10.0.0.0/8") == "10.0.0.0/8"
    assert user("https://elsewhere", "gone") is None
    assert store.unassign("default")
    assert not store.unassign("default")
    assert user("https://elsewhere") is None


def test_rank_knows_ipv6_and_single_hosts() -> None:
    assert rank("fd00::/8", "https://[fd00::1]") == (2, 8)
    assert rank("10.0.0.1", "https://10.0.0.1") == (2, 32)
    assert rank("n1", "https://n1:444") == (1, 2)
    assert rank("10.0.0.0/8", "https://n1") is None
