"""Where the oracle of a demonstration is, and how the command line speaks to it.

The oracle's token lets its holder break the simulated hall, so it stands in files that only their
owner can read: in the state directory of `iolaus up`, and, by the port it serves, beside the
default state directory, where `iolaus demo` looks without being told. Both go with the hall.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from iolaus.kernel.errors import DeviceSilent, OperatorMust, WeErred
from iolaus.kernel.tls import trusted
from iolaus.store.files import PRIVATE_DIR, replace_file
from iolaus.store.state import default_state_dir

FILE: Final = "demo.json"
FOLDER: Final = "demos"
PORT: Final = 8080
PATIENCE_S: Final = 60.0


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down. `pid` is the process that serves the demonstration."""

    url: str
    token: str
    listen: str
    pid: int


class HallSilent(DeviceSilent):
    """The simulated hall does not answer."""

    fault = "iolaus"


class Oracle:
    """A hall's second door. Raises `HallSilent`, and what the hall refuses as `OperatorMust`."""

    def __init__(self, place: Place) -> None:
        headers = {"Authorization": f"Bearer {place.token}"}
        self._http = httpx.Client(
            base_url=place.url,
            headers=headers,
            timeout=PATIENCE_S,
            trust_env=False,
            verify=trusted(place.url),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def strike(self, order: dict[str, Any]) -> dict[str, Any]:
        return self._tell("POST", "/faults", order)

    def mend(self, word: str | None) -> list[dict[str, Any]]:
        path = f"/faults/{quote(word, safe='')}" if word else "/faults"
        mended: list[dict[str, Any]] = self._tell("DELETE", path)["mended"]
        return mended

    def on(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._tell("GET", "/faults")["on"]
        return found

    def trust(self) -> tuple[str, list[bytes]]:
        """Whom the hall's machines should be judged by: its roots (PEM), and what its makers
        publish of their firmware (signed CoRIM)."""
        found = self._tell("GET", "/trust")
        return found["anchors"], [base64.b64decode(each) for each in found["signed"]]

    def _tell(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        try:
            answer = self._http.request(method, path, json=body)
            found = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise HallSilent(
                f"does not answer: {type(error).__name__}",
                operation="ask",
                subject="the simulated hall",
                code="HallSilent",
                next_step="see whether `iolaus up` still runs; start it again.",
            ) from None
        if answer.status_code == 200 and isinstance(found, dict):
            return found
        raise refused(found if isinstance(found, dict) else {}, answer.status_code)


def refused(found: dict[str, Any], status: int) -> OperatorMust | WeErred:
    """What the hall said no with, as an error of our own."""
    if "next_step" in found:
        words = ("operation", "subject", "code", "next_step")
        return OperatorMust(str(found["message"]), **{word: str(found[word]) for word in words})
    return WeErred(
        str(found.get("error", f"answered {status}")),
        operation="ask",
        subject="the simulated hall",
        next_step="report this with what was asked.",
    )


@contextmanager
def written_down(ready: dict[str, Any], *, state_dir: Path, listen: str) -> Iterator[Place | None]:
    """The place of a hall's oracle, for as long as the block runs; None where it has none."""
    oracle = ready.get("oracle")
    if not isinstance(oracle, dict):
        yield None
        return
    place = Place(url=oracle["url"], token=oracle["token"], listen=listen, pid=os.getpid())
    files = [state_dir / FILE, default_state_dir() / FOLDER / f"{port_of(listen)}.json"]
    for file in files:
        with suppress(OSError, OperatorMust):
            _write(file, place)
    try:
        yield place
    finally:
        for file in files:
            with suppress(OSError, msgspec.MsgspecError):
                if msgspec.json.decode(file.read_bytes(), type=Place).pid == os.getpid():
                    file.unlink()


def found_oracle(state_dir: Path | None) -> Oracle:
    """The oracle of the demonstration that runs. Raises `OperatorMust` where none does."""
    for file in _candidates(state_dir):
        with suppress(OSError, msgspec.MsgspecError):
            place = msgspec.json.decode(file.read_bytes(), type=Place)
            if alive(place.pid):
                return Oracle(place)
    raise OperatorMust(
        "no demonstration runs here",
        operation="find",
        subject="the simulated hall",
        code="NoDemonstration",
        next_step="start one with `iolaus up`; if it has --state DIR, give --state DIR here too.",
    )


def _candidates(state_dir: Path | None) -> Iterator[Path]:
    """Where to look: what was named, else the server that IOLAUS_URL means, else the only one."""
    if state_dir is not None:
        yield state_dir / FILE
        return
    folder = default_state_dir() / FOLDER
    url = os.environ.get("IOLAUS_URL")
    yield folder / f"{urlsplit(url).port or PORT if url else PORT}.json"
    if url is None and len(files := list(folder.glob("*.json"))) == 1:
        yield files[0]


def _write(file: Path, place: Place) -> None:
    file.parent.mkdir(mode=PRIVATE_DIR, parents=True, exist_ok=True)
    replace_file(file, msgspec.json.encode(place))


def port_of(listen: str) -> str:
    return listen.rpartition(":")[2]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
