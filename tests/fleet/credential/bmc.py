"""A controller with accounts, as strange as they come, and a lane to it that logs in by its rules.

The controller counts failed logins and forgets them at a login that is let in, and as long after
the last as it says. What it was told to do badly next it does once, in order. Nothing here waits;
time is moved by hand.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from iolaus.drivers.lane.auth import AuthBackOff, AuthRules
from iolaus.drivers.ports import Account, Priority, Receipt
from iolaus.fleet.credential.finding import Finder, Vault
from iolaus.fleet.credential.recovering import Recovery
from iolaus.fleet.credential.rotating import Rotation
from iolaus.kernel.errors import DeviceRefused, DeviceSilent
from iolaus.model.credential import AccountPolicy
from iolaus.model.endpoint import EndpointStatus, Event, Mode, Reach, Target
from iolaus.store.own import Chance, Login, Own
from iolaus.store.tries import held_s

ADDRESS = "https://bmc"
TARGET = Target(address=ADDRESS, name="bmc", credential="hall", mode=Mode.MANAGED)
FIRST = Login(user="root", password="first")
FACTORY = Login(user="admin", password="factory")
POLICY = AccountPolicy(threshold=5, window_s=600.0, shortest=8, longest=20)


class Killed(BaseException):
    """The process ends here."""


class HandClock:
    def __init__(self) -> None:
        self.at = 1_000_000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += max(0.0, seconds)


class Bmc:
    """`next` are manners of the next writes: "good", "silent-after", "silent-before", "refused",
    "busy", "ignored", "late" (in force at the next but one login); `logins` of the next logins:
    "good", "silent", "unheard". `locked` never ends."""

    def __init__(
        self, clock: HandClock, policy: AccountPolicy = POLICY, *, locks_at: int | None = None
    ) -> None:
        self._clock, self._failed_at = clock, 0.0
        self.policy, self.locks_at = policy, locks_at or policy.threshold or 5
        self.accounts = {FIRST.user: FIRST.password}
        self.next: deque[str] = deque()
        self.logins: deque[str] = deque()
        self.late: list[tuple[int, str, str]] = []
        self.failed = self.most_failed = self.tried = self.age = 0
        self.locked = False
        self.drops_sessions = False

    def factory(self, login: Login = FIRST) -> None:
        """As after a flash: the maker's account, no sessions."""
        self.accounts, self.late = {login.user: login.password}, []
        self.age += 1

    def log_in(self, login: Login) -> bool:
        """One that is not answered is judged all the same, and sometimes not even heard."""
        self.tried += 1
        for each in [e for e in self.late if e[0] <= self.tried]:
            self.late.remove(each)
            self.accounts[each[1]] = each[2]
        manner = self.logins.popleft() if self.logins else "good"
        if manner == "unheard":
            raise silent()
        right = not self.locked and self.accounts.get(login.user) == login.password
        now = self._clock.now()
        if right or now - self._failed_at >= self.policy.counts_s:
            self.failed = 0
        if not right:
            self.failed, self._failed_at = self.failed + 1, now
            self.most_failed = max(self.most_failed, self.failed)
            self.locked = self.locked or self.failed >= self.locks_at
        if manner == "silent":
            raise silent()
        return right

    def write(self, user: str, password: str) -> Receipt:
        manner = self.next.popleft() if self.next else "good"
        if manner == "silent-before":
            raise silent()
        if manner in ("refused", "busy"):
            status = 400 if manner == "refused" else 503
            raise DeviceRefused("no", operation="PATCH", subject=user, status=status)
        if manner == "late":
            self.late.append((self.tried + 2, user, password))
        elif manner != "ignored":
            self.accounts[user] = password
            self.age += self.drops_sessions
        if manner == "silent-after":
            raise silent()
        return Receipt(method="PATCH", uri=f"/accounts/{user}", status=200, at=0.0)


def silent() -> DeviceSilent:
    return DeviceSilent("no answer", operation="PATCH", subject=ADDRESS)


@dataclass
class Disk:
    """What outlives a process. `at` is the write before or after which it is killed."""

    own: dict[str, Own] = field(default_factory=dict)
    named: dict[str, Login] = field(default_factory=lambda: {"hall": FIRST})
    recovers: tuple[str, ...] = ()
    failed: list[float] = field(default_factory=list)
    refused: tuple[int, float] = (0, 0.0)
    writes: int = 0
    at: int = 0

    def point(self) -> None:
        self.writes += 1
        if self.writes == self.at:
            raise Killed


class FakeVault:
    """`finding.Vault` on a disk that may be the last thing it sees."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def own(self, address: str, *, name: str | None = None) -> Own | None:
        shared = self._disk.named[name or "hall"]
        fresh = Own(login=shared, user=shared.user, stands_for="hall")
        return self._disk.own.get(address, fresh)

    def others(self, address: str, *, name: str | None = None) -> tuple[Chance, ...]:
        names = (name or "hall", *self._disk.recovers)
        return tuple(Chance(self._disk.named[each], each) for each in names)

    def pending(self) -> tuple[str, ...]:
        return tuple(a for a, own in self._disk.own.items() if own.candidate)

    async def keep_own(self, address: str, own: Own) -> None:
        self._disk.point()
        self._disk.own[address] = own
        self._disk.point()


class FakeTries:
    """`finding.Counts` and the lane's memory."""

    def __init__(self, disk: Disk, clock: HandClock) -> None:
        self._disk, self._clock = disk, clock

    def failures(self, address: str, *, within_s: float) -> tuple[float, ...]:
        run, later = list[float](), self._clock.now()
        for at in sorted(self._disk.failed, reverse=True):
            if later - at >= within_s:
                break
            run, later = [at, *run], at
        return tuple(run)

    def begin(self, address: str) -> float:
        self._disk.point()
        self._clock.at += 0.001
        self._disk.failed.append(self._clock.now())
        self._disk.point()
        return self._clock.now()

    def recall(self, address: str) -> tuple[int, float]:
        return self._disk.refused

    def remember(self, address: str, *, failures: int, wait_s: float) -> None:
        self.begin(address)
        self._disk.refused = failures, wait_s

    def forget(self, address: str) -> None:
        self._disk.refused = 0, 0.0

    def unanswered(self, address: str) -> float:
        return self.begin(address)

    def answered(self, address: str, began: float) -> None:
        self.succeeded(address, began)

    def not_before_s(self, address: str) -> float:
        own = self._disk.own.get(address)
        policy = own.policy if own else AccountPolicy()
        failed = self.failures(address, within_s=policy.counts_s)
        return held_s(failed, policy, now=self._clock.now())

    def succeeded(self, address: str, began: float) -> None:
        if began in self._disk.failed:
            self._disk.failed.remove(began)
        self._disk.point()


class FakeLane:
    """One process's way to the controller: `rotating.Device`, driver and reads in one."""

    def __init__(self, bmc: Bmc, login: Callable[[], Login], tries: FakeTries, clock: HandClock):
        self.bmc, self._login, self._clock = bmc, login, clock
        self.auth = AuthBackOff(AuthRules(), address=ADDRESS, memory=tries)
        self.auth.recall(now=clock.now())
        self._session: tuple[Login, int] | None = None
        self._with: Login | None = None

    @property
    def address(self) -> str:
        return ADDRESS

    async def driver(self) -> FakeLane:
        return self

    def at(self, priority: Priority) -> Any:
        return self

    def writer(self, priority: Priority, *, deadline_s: float | None = None) -> Any:
        return self

    def enter(self) -> None:
        """As the lane does: in its session, or by one login where that may be tried."""
        login = self._login()
        if login != self._with:
            if self._with is not None:
                self.auth.clear()
                self.auth = self.auth.another()
            self._with, self._session = login, None
        if self._session == (login, self.bmc.age):
            return
        self.auth.check(now=self._clock.now(), operation="log in to", address=ADDRESS)
        try:
            let_in = self.bmc.log_in(login)
        except DeviceSilent:
            self.auth.doubted()
            raise
        if not let_in:
            self.auth.failed(now=self._clock.now())
            raise DeviceRefused("no", operation="log in to", subject=ADDRESS, status=401)
        self.auth.succeeded()
        self._session = login, self.bmc.age

    async def account_policy(self, device: object) -> AccountPolicy:
        self.enter()
        return self.bmc.policy

    async def accounts(self, device: object) -> tuple[Account, ...]:
        self.enter()
        return tuple(Account(uri=f"/accounts/{user}", user=user) for user in self.bmc.accounts)

    async def set_password(self, device: object, account: str, new: str) -> Receipt:
        self.enter()
        return self.bmc.write(account.rpartition("/")[2], new)

    async def create_account(
        self, device: object, user: str, password: str, *, role: str = "Administrator"
    ) -> Receipt:
        self.enter()
        return self.bmc.write(user, password)

    async def delete_account(self, device: object, account: str) -> Receipt:
        raise NotImplementedError


class Process:
    """One life of the product, for this one controller. It implements `recovering.Picture`."""

    def __init__(self, bmc: Bmc, disk: Disk, clock: HandClock) -> None:
        self.bmc, self.disk, self.clock = bmc, disk, clock
        self.vault: Vault = FakeVault(disk)
        tries = FakeTries(disk, clock)
        self.lane = FakeLane(bmc, self._login, tries, clock)
        self.finder = Finder(vault=self.vault, tries=tries, try_login=self._try, clock=clock)
        self.rotation = Rotation(
            vault=self.vault, finder=self.finder, open_device=lambda _: self.lane, clock=clock
        )
        self.reach, self.events = Reach.REACHABLE, list[Event]()
        self.recovery = Recovery(
            picture=self,
            vault=self.vault,
            finder=self.finder,
            clock=clock,
            held_back=lambda _: self.lane.auth.failures > 0,
            let_in=lambda _: None,
        )

    def _login(self) -> Login:
        own = self.vault.own(ADDRESS, name="hall")
        assert own is not None
        return own.login

    async def _try(self, target: Target, login: Login) -> bool:
        return self.bmc.log_in(login)

    async def poll(self) -> None:
        """One everyday read, and what follows from its being refused."""
        if ADDRESS in self.recovery.unsettled:
            await self.recovery.reconcile(ADDRESS)
        try:
            self.lane.enter()
            self.reach = Reach.REACHABLE
        except DeviceRefused:
            self.reach = Reach.UNAUTHENTICATED
        except DeviceSilent:
            self.reach = Reach.UNREACHABLE
        await self.recovery.reconcile(ADDRESS)

    def target_of(self, address: str) -> Target | None:
        return TARGET

    def status_of(self, address: str) -> EndpointStatus | None:
        return EndpointStatus(address=address, reach=self.reach, at=0.0, since=0.0)

    def record_event(self, event: Event) -> bool:
        self.events.append(event)
        return True

    def known(self) -> list[Mapping[str, str] | Login]:
        """Everything that the store could still try."""
        own = self.vault.own(ADDRESS, name="hall")
        assert own is not None
        mine = (own.candidate, own.login, *own.spare)
        others = (chance.login for chance in self.vault.others(ADDRESS, name="hall"))
        return [each for each in (*mine, *others) if each is not None]
