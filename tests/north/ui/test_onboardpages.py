"""The page of onboarding: who stands first and why, and a yes under the rules of everywhere."""

from __future__ import annotations

import msgspec
import pytest

from iolaus.kernel.clock import JumpClock
from iolaus.model.candidate import Candidate
from iolaus.model.expected import ExpectedHardware
from iolaus.north.auth import Auth, Role, TokenList, new_token
from iolaus.north.onboarding import Progressed
from iolaus.recovery.expected import Shown, laid_out
from iolaus.recovery.onboard import Seen, State, judge, name_of
from tests.north import conftest
from tests.north.receiving import Reception
from tests.north.ui.conftest import client_of
from tests.north.ui.document import Document

HERE = "http://127.0.0.1:8080"
PAGE = "/ui/onboarding"
LIST = {
    "apiVersion": "iolaus.dev/v1",
    "kind": "ExpectedHardware",
    "metadata": {"name": "hall-1"},
    "spec": {
        "approval": "list",
        "nodes": [
            {"serial": f"S{n}", "name": f"n{n}", "address": f"10.0.0.{n}", "credential": "factory"}
            for n in range(3)
        ],
    },
}


class Delivered(Reception):
    """n0 is as expected, n1 shows another's serial, n2 was not seen."""

    async def deliver(self) -> None:
        document = msgspec.convert(LIST, ExpectedHardware)
        await self.put_list(document, by="ana", source="-")
        self.roll = {each.name: each for each in laid_out(document)}
        self.yes: list[str] = []

    def progressed(self) -> list[Progressed]:
        found = []
        for number, serial in enumerate(("S0", "<b>X9</b>")):
            address = f"https://10.0.0.{number}"
            candidate = Candidate(address=address, entry=f"n{number}", appeared_at=0.0, seen_at=0.0)
            want = msgspec.structs.replace(self.roll[f"n{number}"], address="")
            shown = Shown(serial=serial, make="Dell", model="M")
            seen = Seen(candidate=candidate, expected=want, told=True, shown=shown)
            seen = msgspec.structs.replace(seen, reach="reachable")
            found.append(
                Progressed(
                    name=name_of(seen), candidate=candidate, expected=want, shown=shown,
                    standing=judge(seen), doubtful=judge(seen).state is State.CONFLICT,
                )
            )  # fmt: skip
        return found

    async def approve(self, name: str, *, by: str, fingerprint: str = "") -> str:
        self.yes.append(f"{name} by {by}")
        return name

    async def approve_list(self, name: str, *, by: str) -> str:
        self.yes.append(f"list {name} by {by}")
        return name


@pytest.fixture
async def delivered() -> Delivered:
    made = Delivered()
    await made.deliver()
    return made


async def test_who_stands_comes_first_with_the_reason_and_the_next_step(
    clock: JumpClock, delivered: Delivered
) -> None:
    context = conftest.make_context(clock, nodes=2)
    context.onboards = delivered
    async with client_of(context) as web:
        told = await web.get(PAGE)
        found = Document(told.text).rows
        assert [row[:2] for row in found if row[0] == "hall-1"] == [["hall-1", "3"]]
        rows = [row for row in found if row[0].startswith(("n0", "n1"))]
        assert [row[1] for row in rows] == [
            "AwaitingApprovalAwaitingApproval",
            "ConflictWrongSerial",
        ]
        assert "iolaus onboard reject n1" in rows[1][3]
        assert "<b>X9" not in told.text
        forms = [a["action"] for tag, a in Document(told.text).elements if tag == "form"]
        assert forms == [f"{PAGE}/lists/hall-1/approve", f"{PAGE}/candidates/n0/approve"]
        for form in forms:
            done = await web.post(form, headers={"Origin": HERE})
            assert (done.status_code, done.headers["Location"]) == (303, PAGE)
            assert (await web.post(form)).status_code == 403, "only from our own page"
        assert delivered.yes == ["list hall-1 by demo", "n0 by demo"]
        only = Document((await web.get(f"{PAGE}?state=Conflict&part=1")).text).rows
        assert [row for row in only if row[0].startswith(("n0", "n1"))] == [rows[1]]


@pytest.mark.parametrize(
    ("role", "scope", "status", "said"),
    [
        (Role.OPERATOR, "", 303, ""),
        (Role.VIEWER, "", 403, "the role viewer may not do this"),
        (Role.OPERATOR, "name=nobody", 404, "n0: "),
    ],
)
async def test_who_may_not_at_the_command_line_may_not_here(
    clock: JumpClock, delivered: Delivered, role: Role, scope: str, status: int, said: str
) -> None:
    secret, token = new_token(role, name="ana", scope=scope)
    context = conftest.make_context(clock, nodes=2, auth=Auth(tokens=TokenList(token)))
    context.onboards = delivered
    headers = {"Origin": HERE, "Cookie": f"iolaus_token={secret}"}
    async with client_of(context) as web:
        told = await web.post(f"{PAGE}/candidates/n0/approve", headers=headers)
        assert (told.status_code, said in told.text) == (status, True), told.text
        assert delivered.yes == (["n0 by ana"] if status == 303 else [])
        seen = Document((await web.get(PAGE, headers={"Cookie": headers["Cookie"]})).text)
        assert any(tag == "form" and "approve" in a["action"] for tag, a in seen.elements) is (
            status == 303
        )
