"""`iolaus doctor`: what is wrong with this machine, the state or the server, and what to do.

Each check looks at one thing and says one line; none changes anything. A check that cannot be made
says so, because silence would read as health.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx
import msgspec

from iolaus.app.planting import POWER_FILE, load_written
from iolaus.kernel.errors import IolausError, halves
from iolaus.north.cli.client import verification
from iolaus.store.secrets import Secrets
from iolaus.wire.dsx.flex import load_keys
from iolaus.wire.mqtt.address import parse_broker

FREE_BYTES: Final = 1 << 30
FILES: Final = 4096
STATES: Final = {"ok": "ok", "note": "note", "wrong": "WRONG"}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """`state` is "ok", "note" (nothing to do now) or "wrong"."""

    check: str
    state: str
    message: str
    next_step: str = ""


def examine(state_dir: Path, *, url: str | None) -> list[Finding]:
    """Every check, in the order in which they depend on each other."""
    base = (url or "http://127.0.0.1:8080").rstrip("/")
    checks: tuple[Callable[[], Iterator[Finding]], ...] = (
        _python,
        _files,
        lambda: _state(state_dir),
        lambda: _secrets(state_dir),
        lambda: _building(state_dir),
        lambda: _server(base),
    )
    return [finding for check in checks for finding in check()]


def told(findings: list[Finding]) -> str:
    """The findings as lines for a person."""
    lines = []
    for each in findings:
        lines.append(f"{STATES[each.state]:<6} {each.check:<12} {each.message}")
        if each.next_step:
            lines.append(f"{'':<19} next: {each.next_step}")
    return "\n".join(lines) + "\n"


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding(check="python", state="ok", message=f"{version} with {os.cpu_count()} cores")


def _files() -> Iterator[Finding]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = hard == resource.RLIM_INFINITY or hard >= FILES
    yield Finding(
        check="open files",
        state="ok" if enough else "wrong",
        message=f"up to {'any number' if hard == resource.RLIM_INFINITY else hard}",
        next_step="" if enough else f"raise the hard limit (ulimit -Hn) to {FILES} or more.",
    )


def _state(state_dir: Path) -> Iterator[Finding]:
    if not state_dir.exists():
        yield Finding(
            check="state", state="note", message=f"{state_dir} is made at the first `iolaus serve`"
        )
        return
    writable = os.access(state_dir, os.W_OK | os.X_OK)
    yield Finding(
        check="state",
        state="ok" if writable else "wrong",
        message=f"{state_dir} {'can' if writable else 'cannot'} be written",
        next_step="" if writable else "run as its owner, or give another with --state.",
    )
    free = shutil.disk_usage(state_dir).free
    yield Finding(
        check="disk",
        state="ok" if free >= FREE_BYTES else "wrong",
        message=f"{free / (1 << 30):.1f} GiB free",
        next_step="" if free >= FREE_BYTES else "free some space: at least 1 GiB.",
    )


def _secrets(state_dir: Path) -> Iterator[Finding]:
    if not (state_dir / "secrets").exists():
        yield Finding(check="credentials", state="note", message="none are kept yet")
        return
    try:
        count = len(Secrets(state_dir / "secrets").names())
    except IolausError as error:
        yield Finding(
            check="credentials", state="wrong", message=error.message, next_step=error.next_step
        )
        return
    yield Finding(check="credentials", state="ok", message=f"{count} kept, sealed")


def _building(state_dir: Path) -> Iterator[Finding]:
    """The section of a building in the file of power; nothing where there is none."""
    if not (state_dir / POWER_FILE).exists():
        return
    try:
        building = load_written(state_dir / POWER_FILE).building
        if building is None:
            return
        broker = parse_broker(building.spec.broker, insecure=building.spec.insecure)
        for each in building.spec.flex.senders:
            load_keys(Path(each.keys_file).read_text(encoding="utf-8"), source=each.keys_file)
        name = building.spec.credential
        missing = name and name not in Secrets(state_dir / "secrets").names()
    except (IolausError, OSError, UnicodeDecodeError) as error:
        told, step = halves(str(error))
        step = step or "see docs/building.md."
        yield Finding(check="building", state="wrong", message=told, next_step=step)
        return
    allowed = ", ".join(building.spec.allow) or "nothing: it is only heard"
    yield Finding(
        check="building",
        state="wrong" if missing else "ok",
        message=f"no credential {name!r} is kept" if missing else f"{broker}, allowed: {allowed}",
        next_step=f"keep it: iolaus credential add {name}" if missing else "",
    )


def _server(base: str) -> Iterator[Finding]:
    token = os.environ.get("IOLAUS_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with httpx.Client(
            base_url=base, headers=headers, timeout=5.0, trust_env=False, verify=verification(base)
        ) as client:
            alive = client.get("/healthz")
            summary = client.get("/api/v1/summary")
            members = client.get("/api/v1/members")
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        yield Finding(
            check="server",
            state="note",
            message=f"nothing answers at {base} ({type(error).__name__})",
            next_step="start one with `iolaus up` or `iolaus serve`, or set IOLAUS_URL.",
        )
        return
    yield _clock(alive)
    if summary.status_code != httpx.codes.OK:
        yield Finding(
            check="server",
            state="wrong",
            message=f"{base} answers, but refuses to say more (HTTP {summary.status_code})",
            next_step="set IOLAUS_TOKEN to a token of this server.",
        )
        return
    yield from _fleet(base, summary)
    yield from _members(members)


def _members(answer: httpx.Response) -> Iterator[Finding]:
    """The processes that hold the hall; nothing where it is one alone."""
    try:
        document: dict[str, Any] = msgspec.json.decode(answer.content)
        items = [each.get("status", each) for each in document["items"]]
    except (msgspec.DecodeError, KeyError, AttributeError):
        return
    if all(each.get("state") == "alone" for each in items):
        return
    states = Counter(str(each.get("state")) for each in items)
    told = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    yield Finding(
        check="members",
        state="wrong" if states["silent"] else "ok",
        message=told,
        next_step="iolaus get members" if states["silent"] else "",
    )
    for each in items:
        for condition in each.get("conditions", ()):
            if condition.get("reason") != "Silent":
                yield Finding(
                    check=str(each.get("name", "member"))[:12],
                    state="wrong",
                    message=str(condition.get("message", "")),
                    next_step=str(condition.get("next_step", "")),
                )


def _clock(alive: httpx.Response) -> Finding:
    try:
        theirs = datetime.strptime(alive.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
        skew = (datetime.now(UTC) - theirs.replace(tzinfo=UTC)).total_seconds()
    except (KeyError, ValueError):
        return Finding(check="clock", state="note", message="the server shows no time to compare")
    well = abs(skew) < 60
    return Finding(
        check="clock",
        state="ok" if well else "wrong",
        message=f"{skew:+.0f} s from the server's",
        next_step="" if well else "set NTP on both machines.",
    )


def _fleet(base: str, answer: httpx.Response) -> Iterator[Finding]:
    try:
        document: dict[str, Any] = msgspec.json.decode(answer.content)
        status = document.get("status", document)
        reach: dict[str, int] = status["endpoints"]
    except (msgspec.DecodeError, KeyError, AttributeError):
        yield Finding(check="server", state="wrong", message=f"{base} is no Iolaus server")
        return
    lost = reach["total"] - reach.get("reachable", 0)
    yield Finding(
        check="endpoints",
        state="wrong" if lost else "ok",
        message=f"{reach.get('reachable', 0)} of {reach['total']} reachable",
        next_step="iolaus get endpoints -l state!=reachable" if lost else "",
    )
    stale = status.get("stale", 0)
    yield Finding(
        check="freshness",
        state="wrong" if stale else "ok",
        message=f"{stale} assets are stale",
        next_step="iolaus top nodes --sort age" if stale else "",
    )
