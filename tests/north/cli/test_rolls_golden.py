"""What is printed of plans and roll-outs: whole sessions, each against a server of its own.

`python -m tests.north.cli.test_rolls_golden` writes them anew; look at the difference before
committing.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from iolaus.fleet.check import read_baselines
from iolaus.kernel.clock import JumpClock
from iolaus.model.plan import Approval
from iolaus.north.api import watch as watching
from iolaus.north.auth import Auth, Role, TokenList, new_token
from tests.north.attesting import Attesting
from tests.north.cli.test_golden import FILES, run
from tests.north.conftest import make_context, serving
from tests.north.rolling import Rolling

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parent / "golden" / "rolls"
ASKS = (Approval(group="hw-oncall"), Approval(group="site", count=2))
SAME = "3f9ac0d1e2b4"
"""In place of every id: as long, so that columns stay where they are."""
PLAN = "plan gb300 -o name"
APPLY = "apply plan/ID --yes"


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """Commands in their order; ID is the first plan. `ana: ` before a command says who. `attests`:
    components are asked to prove what they run, and one is untrusted."""

    lines: Sequence[str]
    options: Mapping[str, Any] = {}
    nodes: int = 8
    moves: int = 0
    moved: str = ""
    attests: bool = False


BROKEN = {"fails": ("h1-r01-u05",), "loses": ("h1-r01-u06",)}
SESSIONS = {
    "plan": Session(lines=["plan gb300", "describe plan/ID"]),
    "plan-dry": Session(lines=[PLAN + " --dry-run", "get plans"]),
    "plan-selected": Session(lines=["plan baseline/gb300 -l h1-r01-u[01-03]"]),
    "plan-json": Session(lines=["plan gb300 -o json"], nodes=3),
    "plan-nothing": Session(lines=["plan gb300 -l h1-r01-u02", "plan gb300 -l h1-r01-u03"]),
    "approve": Session(
        lines=[
            PLAN,
            "approve plan/ID",
            APPLY,
            "oncall: approve plan/ID",
            "site1: approve plan/ID --group site",
            "site1: approve plan/ID --group hw-oncall",
            "site1: approve plan/ID --group sit",
            "get plans",
            "site2: approve plan/ID",
            "describe plan/ID",
        ],
        options={"approvals": ASKS},
    ),
    "apply": Session(
        lines=[PLAN, "apply plan/ID", "apply plan/ID --dry-run", APPLY, "get plans"], nodes=4
    ),
    "apply-wait": Session(
        lines=[PLAN, APPLY + " --wait", "get rollouts"], options={"drives": True}
    ),
    "apply-paused": Session(
        lines=[PLAN, APPLY + " --wait", "rollout resume ID --wait"],
        options={"drives": True, **BROKEN},
    ),
    "apply-moved": Session(lines=[PLAN, APPLY], moved="h1-r01-u04 has another serial number"),
    "rollout-status": Session(
        lines=[PLAN, APPLY, "rollout status ID", "get ro -o wide", "get ro/ID -o json"], moves=9
    ),
    "rollout-list": Session(
        lines=["rollout list", PLAN, APPLY, "rollout list", "rollout list -l state=paused"],
        options=BROKEN,
        moves=30,
    ),
    "rollout-pause": Session(
        lines=[PLAN, APPLY, "rollout pause ID --wait", "rollout pause ID", "rollout status ro/ID"],
    ),
    "rollout-abort": Session(
        lines=[PLAN, APPLY, "rollout abort ID --wait"], options={"drives": True}
    ),
    "rollout-undo": Session(
        lines=[
            PLAN,
            APPLY + " --wait",
            "rollout undo ID",
            "rollout undo ID --yes --wait",
            "get ro",
        ],
        options={"drives": True},
        nodes=4,
    ),
    "power": Session(
        lines=[
            "power cycle h1-r01-u01 h1-r01-u05 --force --batch 1",
            "get plans",
            "describe plan/ID",
            "power off -l rack=h1-r01 --dry-run",
            "power on h1-r01-u01 --yes",
            "power reset h1-r01-u[01-04] --yes",
            "power reset h1-r01-u02 --yes",
        ],
        options={"drives": True},
        nodes=4,
    ),
    "power-errors": Session(
        lines=[
            "power on",
            "power off h1-r01-u01 --graceful --force",
            "power off h1-r01-u01 --batch many",
            "power off h1-r01-u01 --rules nothing",
            "viewer: power off h1-r01-u01",
            "boot set h1-r01-u01",
            "boot set h1-r01-u01 --once",
            "boot set h1-r01-u01 --once tape",
            "boot set h1-r01-u01 --once pxe --mode mbr",
        ]
    ),
    "boot": Session(
        lines=["boot set h1-r01-u01 --once pxe --mode uefi", "boot clear -l h1-r01-u01"],
        nodes=2,
    ),
    "quarantine": Session(
        lines=[
            "quarantine --untrusted --dry-run",
            "quarantine --untrusted",
            "describe plan/ID",
            "quarantine h1-r01-u02 --untrusted",
            "quarantine",
            "viewer: quarantine h1-r01-u01",
            "quarantine --help",
        ],
        attests=True,
        nodes=4,
    ),
    "attestations-by": Session(
        lines=[
            "get attestations",
            "get attestations -l summary=untrusted -o wide",
            "get attestations --by rack",
            "get attestations --by node -l h1-r01-u[01-02]",
            "get attestations --by all -o json",
            "get attestations --by colour",
            "get nodes --by rack",
        ],
        attests=True,
        nodes=4,
    ),
    "errors": Session(
        lines=[
            PLAN,
            "plan nothing",
            "plan gb300 -l a,,b",
            "approve plan/nothing",
            "apply plan/nothing --yes",
            "apply plan/a plan/b",
            "rollout pause nothing",
            "get rollouts",
            "rollout",
            "viewer: plan gb300",
            "site1: apply plan/ID --yes",
        ]
    ),
    "help": Session(
        lines=[
            "plan --help",
            "approve --help",
            "rollout --help",
            "power --help",
            "power off --help",
            "power nmi --help",
            "boot set --help",
            "rollout status --help",
            "rollout undo --help",
            "explain rollout.failures",
        ]
    ),
}
WHO = {
    "ana": (Role.OPERATOR, ()),
    "oncall": (Role.APPROVER, ("hw-oncall",)),
    "site1": (Role.APPROVER, ("site",)),
    "site2": (Role.APPROVER, ("site",)),
    "viewer": (Role.VIEWER, ()),
}


@contextmanager
def office(session: Session) -> Iterator[tuple[str, dict[str, str], Rolling]]:
    """A server, the tokens of everybody, and what is behind it."""
    clock, texts, tokens = JumpClock(), {}, []
    for name, (role, groups) in WHO.items():
        texts[name], token = new_token(role, name=name, groups=groups)
        tokens.append(token)
    context = make_context(clock, nodes=session.nodes, auth=Auth(tokens=TokenList(*tokens)))
    rolls = context.rolls = Rolling(context, nodes=session.nodes, **session.options)
    rolls.moved = session.moved
    if session.attests:
        context.attests = Attesting(context)
    text = Path(f"{FILES}/hall.yaml").read_text().replace("name: hall", "name: gb300")
    for each in read_baselines(text, source="hall.yaml"):
        asyncio.run(context.baselines.put(each, at=clock.now(), by="ana", source="hall.yaml"))
    with serving(context) as url:
        yield url, texts, rolls


def told(session: Session, env: Any) -> str:
    """What all commands print, with the id as ID."""
    parts: list[str] = []
    with office(session) as (url, texts, rolls):
        env("IOLAUS_URL", url)
        for line in session.lines:
            who, colon, rest = line.partition(": ")
            env("IOLAUS_TOKEN", texts[who if colon else "ana"])
            first = next(iter(rolls.kept), "ID")
            asked = (rest if colon else line).replace("ID", first)
            said = run(asked)
            said = re.sub(r"\b[0-9a-f]{12}\b", SAME, said)
            parts.append(f"({who}) {said}" if colon else said)
            if asked.startswith("apply"):
                rolls.finish(first, most=session.moves)
    return re.sub(r'("(?:since|made_at)": )"[^"]*"', r"\1TIME", "\n".join(parts))


@pytest.mark.parametrize("name", SESSIONS)
def test_it_prints_what_was_agreed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    monkeypatch.setattr(watching, "GATHER_S", 0.0)
    assert told(SESSIONS[name], monkeypatch.setenv) == (GOLDEN / f"{name}.txt").read_text()


def test_no_golden_is_left_over() -> None:
    assert {path.stem for path in GOLDEN.glob("*.txt")} == set(SESSIONS)


if __name__ == "__main__":
    GOLDEN.mkdir(parents=True, exist_ok=True)
    os.environ["COLUMNS"] = "100"
    watching.GATHER_S = 0.0  # type: ignore[misc]
    for name, session in SESSIONS.items():
        (GOLDEN / f"{name}.txt").write_text(told(session, os.environ.__setitem__))
