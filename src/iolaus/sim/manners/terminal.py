"""What a host says on its serial line, and how its console answers to what is typed: no I/O.

The words are those of a machine that starts: its firmware, a kernel, a login prompt, then a shell
that knows a few commands. A kernel that has died says why and answers nothing any more. Host
accounts are those with which the controller was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from iolaus.sim.tree import Resource

DEAD, STARTING, LOGIN, PASSWORD, SHELL, HUNG = (
    "dead", "starting", "login", "password", "shell", "hung",
)  # fmt: skip
MOST_TYPED: Final = 256
KERNEL: Final = "6.8.0-iolaus"
CHATTER: Final = (
    "audit: rate limit reached, 12 messages lost",
    "perf: interrupt took too long, lowering the sample rate",
    "nvme nvme0: temperature is back under its threshold",
    "clocksource: timekeeping watchdog: marking as stable",
    "EDAC MC0: 1 CE on DIMM 3",
    "eth0: link is up, full duplex",
)
OOPS: Final = (
    "BUG: unable to handle page fault for address: 0000000000001a38",
    "#PF: supervisor read access in kernel mode",
    "Oops: 0000 [#1] PREEMPT SMP NOPTI",
    "CPU: 7 PID: 4182 Comm: kworker/7:2 Not tainted " + KERNEL,
    "RIP: 0010:sim_queue_work+0x42/0x1b0",
    "Call Trace:",
    " <TASK>",
    " process_one_work+0x1b4/0x3a0",
    " worker_thread+0x4d/0x3e0",
    " kthread+0xe1/0x110",
    " ret_from_fork+0x2c/0x50",
    " </TASK>",
    "---[ end trace 0000000000000000 ]---",
    "Kernel panic - not syncing: Fatal exception",
    "---[ end Kernel panic - not syncing: Fatal exception ]---",
)


def firmware_lines(system: Resource) -> list[str]:
    memory = (system.get("MemorySummary") or {}).get("TotalSystemMemoryGiB")
    cores = (system.get("ProcessorSummary") or {}).get("CoreCount")
    boot = system.get("Boot") or {}
    chosen = boot.get("BootSourceOverrideEnabled") in ("Once", "Continuous")
    source = boot.get("BootSourceOverrideTarget") if chosen else "Hdd"
    return [
        f"{system.get('Manufacturer')} {system.get('Model')}",
        f"System firmware {system.get('BiosVersion')}",
        f"Serial number {system.get('SerialNumber')}",
        f"Processor cores {cores}, memory {memory} GiB",
        f"Starting from {source}",
    ]


def kernel_lines(system: Resource) -> list[str]:
    summary = system.get("ProcessorSummary") or {}
    return [
        f"Linux version {KERNEL} (build@iolaus) #1 SMP PREEMPT_DYNAMIC",
        "Command line: root=/dev/nvme0n1p2 ro console=ttyS0,115200",
        f"DMI: {system.get('Manufacturer')} {system.get('Model')}",
        f"smp: Brought up {summary.get('Count')} nodes, {summary.get('CoreCount')} CPUs",
        "printk: console [ttyS0] enabled",
        "nvme nvme0: 32/0/0 default/read/poll queues",
        "EXT4-fs (nvme0n1p2): mounted filesystem",
        "systemd[1]: Hostname set.",
        "systemd[1]: Reached target multi-user.target.",
    ]


@dataclass(slots=True, kw_only=True)
class Terminal:
    """One host's console. `accounts` may log in; `wishes` are what its commands do to the machine
    ("poweroff", "reboot"), `uptime_s` how long it has been up."""

    name: str
    accounts: Mapping[str, str]
    wish: Callable[[str], None]
    uptime_s: Callable[[], float]
    state: str = DEAD
    user: str = ""
    typed: str = ""
    kernel: list[str] = field(default_factory=list)

    def prompt(self) -> str:
        prompts = {
            LOGIN: f"\r\n{self.name} login: ",
            PASSWORD: "Password: ",
            SHELL: f"[{self.user}@{self.name} ~]# ",
        }
        return prompts.get(self.state, "")

    def login(self) -> str:
        """The host is up: whoever is there may log in."""
        self.state, self.user, self.typed = LOGIN, "", ""
        return f"\r\nLinux {KERNEL} on ttyS0\r\n" + self.prompt()

    def says(self, line: str) -> str:
        """A line of the kernel, wherever the cursor is; what was typed is shown again after it."""
        stamped = f"[{self.uptime_s():12.6f}] {line}"
        self.kernel = [*self.kernel[-9:], stamped]
        if self.state in (DEAD, STARTING, HUNG):
            return stamped + "\r\n"
        again = "" if self.state == PASSWORD else self.typed
        return f"\r\n{stamped}\r\n{self.prompt().lstrip()}{again}"

    def hang(self) -> str:
        """The kernel dies, with its last words."""
        before = "\r\n" if self.state in (LOGIN, PASSWORD, SHELL) else ""
        self.state, self.typed = HUNG, ""
        return before + "".join(self.says(line) for line in OOPS)

    def take(self, text: str) -> str:
        """What is shown of these keys, and of what they bring about."""
        return "".join(self._key(key) for key in text)

    def _key(self, key: str) -> str:
        if self.state not in (LOGIN, PASSWORD, SHELL):
            return ""
        if key in "\r\n":
            typed, self.typed = self.typed, ""
            return "\r\n" + self._enter(typed)
        if key in "\x7f\b":
            shown = self.typed and self.state != PASSWORD
            self.typed = self.typed[:-1]
            return "\b \b" if shown else ""
        if key == "\x03":
            self.typed = ""
            return "^C\r\n" + self.prompt().lstrip()
        if key == "\x04" and not self.typed and self.state == SHELL:
            return self.login()
        if key < " " or len(self.typed) >= MOST_TYPED:
            return ""
        self.typed += key
        return "" if self.state == PASSWORD else key

    def _enter(self, line: str) -> str:
        if self.state == LOGIN:
            self.user = line.strip()
            self.state = PASSWORD if self.user else LOGIN
            return self.prompt()
        if self.state == PASSWORD:
            known = self.accounts.get(self.user)
            self.state = SHELL if known is not None and known == line else LOGIN
            return ("" if self.state == SHELL else "\r\nLogin incorrect\r\n") + self.prompt()
        return self._run(line.split())

    def _run(self, words: Sequence[str]) -> str:
        if not words:
            return self.prompt()
        word = words[0]
        if word in ("exit", "logout"):
            return self.login()
        if word in ("poweroff", "reboot"):
            self.wish(word)
            return ""
        said = {
            "echo": " ".join(words[1:]),
            "hostname": self.name,
            "whoami": self.user,
            "uname": f"Linux {self.name} {KERNEL}",
            "uptime": f"up {self.uptime_s():.0f} s",
            "dmesg": "\r\n".join(self.kernel),
        }
        return said.get(word, f"-sh: {word[:80]}: command not found") + "\r\n" + self.prompt()
