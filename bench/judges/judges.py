"""The four judges: how each is called, and how its report is read.

All of them run offline as programs of their own, trust the hall's own authority, and leave a
report that a machine can read: a sheet, or tab-separated lines. A judge that leaves none, or that
found nothing to test, has not judged; that is an error and never a pass.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openpyxl import load_workbook

from bench.judges.hall import PASSWORD, Dock

SCHEMAS = "redfish/dmtf-schemas-2025.4.tar.xz"
PROFILES = "redfish/profiles"
PLAIN = Path(__file__).with_name("plain.py")
TIMEOUT_S = 900
SERVER = ("OCPBaselineHardwareManagement.v1_1_1", "OCPServerHardwareManagement.v1_1_0",
          "OpenStackIronicProfile.v1_2_0")  # fmt: skip
SERVICE = ("OCPServiceBaseline.v1_0_0",)
FITTING: Mapping[str, Sequence[str]] = {
    "bluefield-dpu": SERVICE,
    "cdu-row": (*SERVICE, "OCPCoolantDistributionUnit.v1_0_0"),
    "dl365-cpu": SERVER,
    "g893-mi325x": SERVER,
    "gb300-tray": SERVER,
    "leaf-switch": SERVICE,
    "leak-ropes": SERVICE,
    "nvlink-switch": SERVICE,
    "orv3-bbu": SERVICE,
    "orv3-shelf": (*SERVICE, "OCPPowerShelfManagement.v1_0_0"),
    "rack-manager": SERVICE,
    "rack-pdu": (*SERVICE, "OCPRackPDU.v1_0_0"),
    "sd665-twin": SERVER,
    "sys-hgx-b200": SERVER,
    "xe9680-h200": SERVER,
}


class Finding(NamedTuple):
    """One line of a report. `result` is PASS, WARN, FAIL or SKIP."""

    result: str
    where: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one judge said of one persona; `judge` names the profile too."""

    persona: str
    judge: str
    findings: Sequence[Finding]

    @property
    def counts(self) -> Counter[str]:
        return Counter(finding.result for finding in self.findings)

    def failures(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.result == "FAIL"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Court:
    """Where the judges sit: the dock, the reference material and a folder for their reports."""

    dock: Dock
    shared: Path
    folder: Path

    def schemas(self) -> Path:
        """The schemas in CSDL, unpacked once."""
        place = self.folder / "schemas"
        if not place.is_dir():
            with tarfile.open(self.shared / SCHEMAS) as tar:
                chosen = [entry for entry in tar if entry.name.startswith("csdl/")]
                tar.extractall(place, members=chosen, filter="data")
        return place / "csdl"

    def service(self, persona: str) -> Verdict:
        """Every property of every resource, against the schemas."""
        out = self._run("service", "rf_service_validator", persona, "--logdir", "{out}",
                        "--schema_directory", str(self.schemas()), "--skipschema",
                        "--authtype", "Basic")  # fmt: skip
        return _verdict(persona, "service", _sheet(out, "Results", 7, (1, 5), 8))

    def protocol(self, persona: str) -> Verdict:
        """What the specification says of methods, headers, status codes, sessions and events."""
        out = self._run("protocol", "rf_protocol_validator", persona, "--report-dir", "{out}",
                        "--report-type", "tsv", "--avoid-http-redirect",
                        "--ca-bundle", str(self.dock.authority))  # fmt: skip
        return _verdict(persona, "protocol", _lines(out))

    def uses(self, persona: str) -> Verdict:
        """What administrators do all day: it switches the machine off and on as it goes."""
        out = self._run("uses", "rf_use_case_checkers", persona, "--report-dir", "{out}")
        return _verdict(persona, "use cases", _sheet(out, "Results", 4, (0, 1, 3), 5))

    def interop(self, persona: str, profile: str) -> Verdict:
        """What a profile requires of this kind of machine."""
        out = self._run(profile, "rf_interop_validator", persona, "--logdir", "{out}",
                        f"{profile}.json", cwd=self.shared / PROFILES)  # fmt: skip
        found = [*_sheet(out, "Resources", 2, (1,), 3), *_sheet(out, "Results", 7, (1, 5), 8)]
        return _verdict(persona, profile, found)

    def all(self, persona: str) -> Iterator[Verdict]:
        """Every judge; the one that resets the machine comes last."""
        yield self.service(persona)
        for profile in FITTING[persona]:
            yield self.interop(persona, profile)
        yield self.protocol(persona)
        yield self.uses(persona)

    def _run(
        self, judge: str, program: str, persona: str, *words: str, cwd: Path | None = None
    ) -> Path:
        """Runs the program on the persona; the folder of its reports."""
        out = self.folder / "reports" / persona / judge
        out.mkdir(parents=True)
        command = [sys.executable, str(PLAIN), str(Path(sys.executable).with_name(program)),
                   "-u", "root", "-p", PASSWORD, "-r", self.dock.devices[persona],
                   *(word.replace("{out}", str(out)) for word in words)]  # fmt: skip
        with (out / "said.txt").open("w") as said:
            subprocess.run(
                command, cwd=cwd or out, env=_surroundings(self.dock.authority), stdout=said,
                stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False,
            )  # fmt: skip
        return out


def _surroundings(authority: Path) -> Mapping[str, str]:
    """The hall's authority instead of whatever this machine trusts, and no proxy to the world."""
    ours = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in ours and "proxy" not in name.lower() and not name.startswith("PYTHON")
    }
    return kept | {"REQUESTS_CA_BUNDLE": str(authority), "NO_PROXY": "*", "PYTHONUTF8": "1"}


def _verdict(persona: str, judge: str, findings: Iterable[Finding]) -> Verdict:
    verdict = Verdict(persona=persona, judge=judge, findings=tuple(findings))
    if not verdict.counts["PASS"]:
        raise RuntimeError(f"the {judge} judge found nothing to test on {persona}")
    return verdict


def _report(out: Path, pattern: str) -> Path:
    found = sorted(out.rglob(pattern))
    if not found:
        raise RuntimeError(f"no report in {out}: {(out / 'said.txt').read_text()[-2000:]}")
    return found[-1]


def _sheet(
    out: Path, title: str, result: int, where: Sequence[int], what: int
) -> Iterator[Finding]:
    """The rows below a sheet's head; the columns differ from judge to judge."""
    book = load_workbook(_report(out, "*.xlsx"), read_only=True)
    try:
        rows = book[title].iter_rows(values_only=True, min_row=2)
        for row in rows:
            place = " ".join(str(row[n]) for n in where)
            yield Finding(str(row[result]), place, str(row[what] or ""))
    finally:
        book.close()


def _lines(out: Path) -> Iterator[Finding]:
    with _report(out, "*.tsv").open(newline="") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            result = "SKIP" if row["Result"] == "NOT_TESTED" else row["Result"]
            yield Finding(
                result, f"{row['Assertion']} {row['Method']} {row['URI']}", row["Message"]
            )
