"""Metric reports that a client defines: what they hold, how often, and to whom they go.

A definition names properties of resources (a URI with a JSON pointer). A periodic one writes its
report at its interval, on demand one is computed when it is read; values are those that the
resources show at that moment. With the report action RedfishEvent each report also goes to the
event stream and to subscriptions that take metric reports. Nothing runs where nothing is defined.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from iolaus.sim.device import Device
from iolaus.sim.effects import Ask, Quiet
from iolaus.sim.outcome import Outcome
from iolaus.sim.replies import refused
from iolaus.sim.tasks import stamp
from iolaus.sim.tree import ROOT, Resource, canonical

SERVICE: Final = f"{ROOT}/TelemetryService"
DEFINITIONS, REPORTS = f"{SERVICE}/MetricReportDefinitions", f"{SERVICE}/MetricReports"
LIMIT: Final = 16
MOST_VALUES: Final = 512
KINDS: Final = ("Periodic", "OnRequest")
ACTIONS: Final = ("LogToMetricReportsCollection", "RedfishEvent")
_SPAN = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_WEIGHTS: Final = (86400.0, 3600.0, 60.0, 1.0)


@dataclass(slots=True)
class Wanted:
    """One definition: its properties with their metric ids, and how many reports there were."""

    key: str
    metrics: list[tuple[str, str]]
    every_s: float | None
    tells: bool
    number: int = 0
    enabled: bool = True


class Telemetry(Quiet):
    """What clients have defined on one device."""

    __slots__ = ("wanted",)

    def __init__(self) -> None:
        self.wanted: dict[str, Wanted] = {}

    def asked(self, device: Device, ask: Ask) -> Outcome | None:
        if ask.method == "POST" and ask.path == DEFINITIONS:
            return self._define(device, ask.body)
        key = ask.path.removeprefix(f"{DEFINITIONS}/")
        if key not in self.wanted:
            return None
        return self._end(device, key) if ask.method == "DELETE" else self._switch(device, key, ask)

    def restarted(self, device: Device) -> None:
        """Definitions are kept, as controllers do, and go on."""

    def _define(self, device: Device, body: Resource) -> Outcome:
        if device.kept(DEFINITIONS) is None:
            return refused(404, "ResourceMissingAtURI", DEFINITIONS)
        key = str(body.get("Id") or f"Report{len(self.wanted) + 1}")
        if device.kept(f"{DEFINITIONS}/{key}") is not None:
            return refused(400, "ResourceAlreadyExists", "MetricReportDefinition", "Id", key)
        if len(self.wanted) >= LIMIT:
            return refused(400, "CreateLimitReachedForResource")
        wanted = wanted_of(device, key, body)
        return wanted if isinstance(wanted, Outcome) else self._begin(device, wanted, body)

    def _begin(self, device: Device, wanted: Wanted, body: Resource) -> Outcome:
        self.wanted[wanted.key] = wanted
        path, report = f"{DEFINITIONS}/{wanted.key}", f"{REPORTS}/{wanted.key}"
        told = {"Name": wanted.key, "ReportActions": [ACTIONS[0]], **body,
                "@odata.id": path, "Id": wanted.key, "MetricReportDefinitionEnabled": True,
                "@odata.type": "#MetricReportDefinition.v1_4_2.MetricReportDefinition",
                "MetricReport": {"@odata.id": report},
                "Status": {"State": "Enabled", "Health": "OK"}}  # fmt: skip
        resource = device.put(path, told)
        device.enlist(DEFINITIONS, path)
        device.put(report, self._report(device, wanted))
        device.enlist(REPORTS, report)
        if wanted.every_s is None:
            device.computed[report] = lambda: self._report(device, wanted)
        else:
            device.later(wanted.every_s, lambda: self._tick(device, wanted))
        return Outcome(status=201, body=resource, headers={"Location": path})

    def _tick(self, device: Device, wanted: Wanted) -> None:
        if self.wanted.get(wanted.key) is not wanted or wanted.every_s is None:
            return
        if wanted.enabled:
            report = device.put(f"{REPORTS}/{wanted.key}", self._report(device, wanted))
            if wanted.tells:
                device.events.report(report)
        device.later(wanted.every_s, lambda: self._tick(device, wanted))

    def _report(self, device: Device, wanted: Wanted) -> Resource:
        wanted.number += 1
        now = stamp(device.now())
        path = f"{REPORTS}/{wanted.key}"
        return {
            "@odata.id": path,
            "@odata.type": "#MetricReport.v1_5_0.MetricReport",
            "Id": wanted.key,
            "Name": f"{wanted.key} report",
            "ReportSequence": str(wanted.number),
            "MetricReportDefinition": {"@odata.id": f"{DEFINITIONS}/{wanted.key}"},
            "Timestamp": now,
            "MetricValues": [
                {"MetricId": metric, "MetricProperty": uri, "Timestamp": now,
                 "MetricValue": None if value is None else str(value)}
                for metric, uri in wanted.metrics
                for value in [value_at(device, uri)]
            ],
        }  # fmt: skip

    def _switch(self, device: Device, key: str, ask: Ask) -> Outcome | None:
        enabled = ask.body.get("MetricReportDefinitionEnabled")
        if ask.method != "PATCH" or not isinstance(enabled, bool) or len(ask.body) > 1:
            return None
        self.wanted[key].enabled = enabled
        return Outcome(status=200, body=device.patch(ask.path, ask.body))

    def _end(self, device: Device, key: str) -> Outcome:
        del self.wanted[key]
        device.computed.pop(f"{REPORTS}/{key}", None)
        for collection in (DEFINITIONS, REPORTS):
            device.remove(f"{collection}/{key}")
            device.delist(collection, f"{collection}/{key}")
        return Outcome()


def wanted_of(device: Device, key: str, body: Resource) -> Wanted | Outcome:
    kind = body.get("MetricReportDefinitionType", "Periodic")
    if kind not in KINDS:
        return refused(400, "PropertyValueNotInList", str(kind)[:80], "MetricReportDefinitionType")
    actions = body.get("ReportActions") or []
    if not isinstance(actions, list) or any(each not in ACTIONS for each in actions):
        return refused(400, "PropertyValueNotInList", str(actions)[:80], "ReportActions")
    metrics = list(_metrics(body))
    if not 0 < len(metrics) <= MOST_VALUES:
        return refused(400, "PropertyMissing", "Metrics")
    for _, uri in metrics:
        if device.kept(canonical(uri.partition("#")[0])) is None:
            return refused(400, "ResourceMissingAtURI", uri[:200])
    every_s = None
    if kind == "Periodic":
        schedule = body.get("Schedule")
        span = schedule.get("RecurrenceInterval") if isinstance(schedule, dict) else None
        every_s = seconds_of(span)
        least_s = seconds_of((device.kept(SERVICE) or {}).get("MinCollectionInterval")) or 1.0
        if every_s is None or every_s < least_s:
            return refused(400, "PropertyValueOutOfRange", str(span)[:80], "RecurrenceInterval")
    return Wanted(key, metrics, every_s, "RedfishEvent" in actions)


def _metrics(body: Resource) -> Iterator[tuple[str, str]]:
    """Metric ids and URIs, of Metrics and of MetricProperties."""
    listed = body.get("Metrics")
    plain = {"MetricProperties": body.get("MetricProperties")}
    for metric in [*(listed if isinstance(listed, list) else []), plain]:
        uris = metric.get("MetricProperties") if isinstance(metric, dict) else None
        for uri in uris if isinstance(uris, list) else []:
            last = str(uri).rpartition("/")[2].rpartition("#")[2]
            yield str(metric.get("MetricId") or last), str(uri)


def value_at(device: Device, uri: str) -> Any:
    """The property that a URI with a JSON pointer names; None if it has no value."""
    path, _, pointer = uri.partition("#")
    found: Any = device.get(path)
    for word in pointer.strip("/").split("/"):
        if isinstance(found, list) and word.isdigit() and int(word) < len(found):
            found = found[int(word)]
        else:
            found = found.get(word) if isinstance(found, dict) else None
    return found if isinstance(found, str | int | float) else None


def seconds_of(span: Any) -> float | None:
    """An ISO 8601 duration of days and less; None if it is none."""
    match = _SPAN.fullmatch(span) if isinstance(span, str) else None
    if match is None or not any(match.groups()):
        return None
    return sum(float(n) * weight for n, weight in zip(match.groups(), _WEIGHTS, strict=True) if n)
