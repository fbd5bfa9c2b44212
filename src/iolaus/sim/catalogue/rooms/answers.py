"""Answers that are slow, refused, stale, broken or untrue: what a controller says over HTTP.

Behaviours 1, 6, 7, 8 and 13, and readings that stand still. All of them are fault rules at the
front of a device; the device behind it stays honest, so the oracle tells the truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from iolaus.sim.catalogue.entry import Argument, Entry
from iolaus.sim.catalogue.rules import READS, armed, preset

FIRMWARE: Final = "*/UpdateService/FirmwareInventory*"
RESET: Final = "*/Actions/*Reset*"
SYSTEM: Final = "ComputerSystem"
TRUTH: Final = "GET /devices/NAME/truth?path=URI has the resource as it is."
TIMES: Final = Argument(name="times", what="so often on each device, then no more", usual=2.0)
SHARE: Final = Argument(name="share", what="of the requests, 0 to 1", usual=1.0)
Rule = dict[str, Any]


def entry(number: int, words: str, name: str, title: str, what: str, **more: Any) -> Entry:
    """One of a numbered behaviour; several words of its row are parted by "; "."""
    sources = tuple(f"{number}: {each}" for each in words.split("; ")) if number else ()
    return Entry(name=name, title=title, what=what, room="answers", sources=sources, **more)


def bent(lie: str, seen: str, *, only: str = "", path: str = "*") -> Mapping[str, Any]:
    """A lie of the engine on what is read, with the share of answers as its argument."""

    def make(given: Mapping[str, Any]) -> list[Rule]:
        select = {"method": READS, "path": path, "probability": given["share"]}
        return [{"effect": "lie", "lie": lie, "only": only, "select": select}]

    return {"strike": armed(make), "arguments": (SHARE,), "seen": seen, "oracle": TRUTH}


def refusing(status: int, message: str, seen: str, **select: Any) -> Mapping[str, Any]:
    def make(given: Mapping[str, Any]) -> list[Rule]:
        rule = {"effect": "status", "status": status, "times": int(given["times"])}
        return [{**rule, "message": message, "select": select}]

    return {"strike": armed(make), "arguments": (TIMES,), "seen": seen,
            "oracle": "The refused request changed nothing: the truth is the old one."}  # fmt: skip


def slowly(path: str, usual_s: float, seen: str) -> Mapping[str, Any]:
    def make(given: Mapping[str, Any]) -> list[Rule]:
        rule = {"effect": "latency", "seconds": given["seconds"], "sigma": given["sigma"]}
        return [{**rule, "select": {"path": path}}]

    seconds = Argument(name="seconds", what="median time to answer", unit="s", usual=usual_s)
    sigma = Argument(name="sigma", what="spread, as a log-normal's shape", usual=0.2)
    return {"strike": armed(make), "arguments": (seconds, sigma), "seen": seen,
            "oracle": "GET /devices/NAME counts the requests in flight."}  # fmt: skip


def raw(kind: str, seen: str) -> Mapping[str, Any]:
    def make(given: Mapping[str, Any]) -> list[Rule]:
        select = {"method": ["GET"], "path": given["path"], "probability": given["share"]}
        return [{"effect": "replace", "raw": kind, "select": select}]

    path = Argument(name="path", what="glob of URIs", usual="/redfish/v1/?*")
    return {"strike": armed(make), "arguments": (path, SHARE), "seen": seen, "oracle": TRUTH}


def _accepts(given: Mapping[str, Any]) -> list[Rule]:
    select = {"method": ["POST"], "path": RESET, "probability": given["share"]}
    return [{"effect": "lie", "lie": "accept_without_effect", "select": select}]


def _hang(given: Mapping[str, Any]) -> list[Rule]:
    select = {"path": given["path"], "probability": given["share"]}
    return [{"effect": "latency", "hang": True, "select": select}]


def _stale(given: Mapping[str, Any]) -> list[Rule]:
    return [{"effect": "lie", "lie": "stale_reads", "seconds": given["seconds"]}]


def _versions(given: Mapping[str, Any]) -> list[Rule]:
    merge = {"Version": given["version"]}
    return [{"effect": "replace", "only": "SoftwareInventory", "merge": merge}]


FAULTS: Final = (
    entry(
        1, "2xx or 202 for a power or reset action; and nothing happens",
        "accepts-and-ignores", "a reset is accepted, and nothing happens",
        "Power and reset actions answer 204 as usual. The machine stays as it is: on, off, or with "
        "the controller that should have been restarted.",
        strike=armed(_accepts), arguments=(SHARE,),
        seen="POST ComputerSystem.Reset answers 204; PowerState does not change.",
        oracle="Power in GET /truth stays.",
    ),
    entry(
        6, "slow and degrading", "slow-and-degrading", "slower and slower, then gone for a while",
        "Every answer takes a while, firmware very long, one in a hundred hangs, and once the API "
        "is down for ten seconds.",
        strike=preset("slow-and-degrading"),
        seen="Answers take seconds, some never come, connections are refused for a while.",
        oracle="GET /devices/NAME counts the requests in flight.",
    ),
    entry(
        6, "25-55 s scrapes", "slow", "every answer takes most of a minute",
        "Each answer takes about forty seconds, as on controllers that collect everything anew for "
        "each request.",
        **slowly("*", 40.0, "Any GET takes 25 to 55 s."),
    ),
    entry(
        6, "FirmwareInventory takes 3 minutes", "firmware-list-slow",
        "the firmware listing takes minutes",
        "Reading UpdateService/FirmwareInventory takes three minutes; everything else is quick.",
        **slowly(FIRMWARE, 180.0, "GET FirmwareInventory takes 3 minutes."),
    ),
    entry(
        6, "hung sockets", "hung-sockets", "requests that are never answered",
        "A share of the requests is taken and never answered; the connection stays open and holds "
        "one of the controller's slots.",
        strike=armed(_hang),
        arguments=(
            Argument(name="share", what="of the requests, 0 to 1", usual=0.1),
            Argument(name="path", what="glob of URIs", usual="*"),
        ),
        seen="A GET gets no answer at all and times out.",
        oracle="in_flight of GET /devices/NAME stays above 0.",
    ),
    entry(
        7, "409/400 after power-off; passing refusals", "refused-after-power-off",
        "power actions are refused at first",
        "Right after a change of power the next actions are refused with 409, as by controllers "
        "that are still busy with the last one.",
        **refusing(409, "ServiceInUnknownState", "POST to an action answers 409, then works.",
                   method=["POST"], path="*/Actions/*"),
    ),
    entry(
        7, '"unable during POST"', "refused-during-post", "settings are refused as if in POST",
        "Writes answer 503 and that the machine is in its power-on self-test, a few times.",
        **refusing(503, "ServiceTemporarilyUnavailable", "PATCH answers 503, then works.",
                   method=["PATCH"]),
    ),
    entry(
        7, "404 during job creation", "job-not-there-yet", "a new job is not found at first",
        "The first reads of tasks and jobs answer 404 although the job exists.",
        **refusing(404, "ResourceMissingAtURI", "GET on a Task answers 404, then 200.",
                   method=["GET"], path="*/TaskService/Task*/?*"),
    ),
    entry(
        7, "500 from SecureBoot", "secureboot-500", "SecureBoot answers 500",
        "The SecureBoot resource and what is below it answer 500 a few times.",
        **refusing(500, "InternalError", "GET SecureBoot answers 500, then 200.",
                   path="*/SecureBoot*"),
    ),
    entry(
        7, "passing refusals", "passing-refusals", "writes are refused at first",
        "The first action answers 409 and the first two PATCHes 503.",
        strike=preset("passing-refusals"),
        seen="The first writes are refused, later ones are done.",
        oracle="The truth changes only with the write that was done.",
    ),
    entry(
        8, "stale reads after writes", "stale-reads", "reads are old for a while after a write",
        "After each write the resource reads as it was before, for some seconds.",
        strike=armed(_stale),
        arguments=(Argument(name="seconds", what="how long", unit="s", usual=2.0),),
        seen="A GET after a PATCH shows the old value, later the new one.",
        oracle=TRUTH,
    ),
    entry(
        8, "writes without If-Match silently dropped", "writes-dropped",
        "writes without If-Match are dropped",
        "A PATCH without If-Match answers 200 with the old resource and changes nothing.",
        strike=armed(lambda _: [{"effect": "lie", "lie": "drop_without_if_match",
                                 "select": {"method": ["PATCH"]}}]),
        seen="A PATCH answers 200; a GET shows the old value. With If-Match it is done.",
        oracle=TRUTH,
    ),
    entry(8, "weak", "etag-weak", "ETags are weak", "Every ETag starts with W/.",
          **bent("weak_etag", 'ETag is W/"...".')),
    entry(8, "empty", "etag-empty", "ETags are empty", "The ETag header is there and empty.",
          **bent("empty_etag", "The ETag header is empty.")),
    entry(8, "-gzip` ETags", "etag-gzip", "ETags end with -gzip",
          "A compressing front adds -gzip to every ETag and does not know it again.",
          **bent("gzip_etag", 'ETag ends with -gzip".')),
    entry(
        8, "stale reads after writes", "stale-and-dropped-writes", "all of behaviour 8 at once",
        "Stale reads for two seconds, writes without If-Match dropped, weak ETags.",
        strike=preset("stale-and-dropped-writes"), seen="As each of them alone.", oracle=TRUTH,
    ),
    entry(13, "schema violations", "schema-violations", "the schema is violated everywhere",
          "Missing names and links, null Members, an object for a list, swapped Health and State, "
          "impossible sensors, $expand that drops, blanks in versions, all at once.",
          strike=preset("schema-violations"), seen="As each of them alone.", oracle=TRUTH),
    entry(13, "missing links and names", "names-missing", "names and links are missing",
          "Name and Links are left out of every resource.",
          **bent("missing", "A GET has no Name and no Links.", path="/redfish/v1/?*")),
    entry(13, "null Members", "members-null", "Members is null",
          "Collections of memory and processors say null for Members.",
          **bent("null_members", "Members is null.", path="*/[MP]*")),
    entry(13, "an object where a list belongs", "object-for-list", "an object for a list",
          "Members is the first member itself instead of a list.",
          **bent("object_for_list", "Members is an object.", path="*/[!v]*/*")),
    entry(13, "Health and State swapped", "health-state-swapped", "Health and State are swapped",
          "Health says Enabled and State says OK, in every Status.",
          **bent("swapped_status", "Status.Health is a state.")),
    entry(13, "zero", "sensors-zero", "sensors read zero", "Every reading is 0.",
          **bent("zero", "Reading is 0.", path="*/Sensors/*")),
    entry(13, "negative", "sensors-negative", "sensors read less than nothing",
          "Every reading is negative.", **bent("negative", "Reading < 0.", path="*/Sensors/*")),
    entry(13, "NaN sensors", "sensors-nan", "sensors read NaN",
          "Every reading is NaN, bare, as broken firmware writes it.",
          **bent("nan", "Reading is NaN, which is no JSON.", path="*/Sensors/*")),
    entry(13, "`$expand` that drops fields", "expand-drops", "$expand drops fields",
          "Members that are expanded have lost everything that is not plain.",
          **bent("expand_drops", "Expanded members lack objects and lists.")),
    entry(13, "trailing blanks in versions", "versions-blank", "blanks behind versions",
          "Every firmware version ends with two blanks.",
          **bent("trailing_blanks", "Version ends with blanks.", path=FIRMWARE)),
    entry(13, "`0.00`", "versions-zero", "versions read 0.00",
          "Every firmware version is 0.00, as where nobody filled it in.",
          strike=armed(_versions),
          arguments=(Argument(name="version", what="what is said instead", usual="0.00"),),
          seen="Version is 0.00.", oracle=TRUTH),
    Entry(
        name="sensor-stuck", title="sensors stand still", room="answers",
        what="Sensors go on answering, with fresh dates, and always the value of the moment at "
        "which the fault began.",
        sources=("energy: stale or low-quality reading",),
        **bent("frozen", "Reading stays the same to the last digit.", only="Sensor"),
    ),
    entry(0, "", "answers-cut", "JSON that ends in the middle",
          "The body stops half-way, with the right length.", **raw("truncated", "No JSON.")),
    entry(0, "", "answers-html", "a login page instead of JSON",
          "200 with HTML, as a front does that wants a browser.", **raw("html", "text/html.")),
    entry(0, "", "answers-not-utf8", "bytes that are no UTF-8", "The JSON holds invalid UTF-8.",
          **raw("invalid_utf8", "No JSON.")),
    entry(0, "", "answers-short", "fewer bytes than promised",
          "Content-Length promises a thousand bytes more than there are.",
          **raw("wrong_length", "The answer never ends.")),
    entry(0, "", "answers-empty", "200 and nothing", "The body is empty.",
          **raw("empty", "An empty body.")),
)  # fmt: skip
