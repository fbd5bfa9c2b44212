"""`describe`: one object as a page of text, from the general to the particular."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

from iolaus.kernel.errors import IolausError
from iolaus.model.hosts import fold
from iolaus.north.cli.ask import path_of
from iolaus.north.cli.cells import Column, age, column, second, short_age, text
from iolaus.north.cli.client import Client, Flat, flat
from iolaus.north.cli.columns import columns_of
from iolaus.north.cli.render import plain_table
from iolaus.north.cli.rolls_text import plan_text, rollout_text
from iolaus.north.kinds import BY_NAME, Kind, Source

SKIPPED: Final = frozenset(
    {"name", "kind", "id", "conditions", "firmware", "age_s", "stale", "observed_at", "raw"}
    | {"items", "document", "text", "nodes", "waves", "holds", "running", "failures", "tried"}
    | {"approvals", "radius", "findings", "checks", "looked_at", "sets", "conflicts", "gaps"}
    | {"images", "reports"}
    | {"standing", "waived", "waivers_over", "wanting", "proposal"}
)
LISTED: Final[Mapping[Source, frozenset[str]]] = {
    Source.EDGE: frozenset({"latched", "holds", "unknown", "would", "done", "caps"}),
    Source.POWER_CHANGE: frozenset({"approvals"}),
    Source.CANDIDATE: frozenset({"differences"}),
    Source.PLANT: frozenset({"past"}),
    Source.SITE_POWER: frozenset({"targets", "stages", "jobs", "actuators"}),
}
"""What stands in lines of its own further down."""
PARTS: Final = ("drain", "component", "leak")
EVENTS: Final = 10


def describe_text(client: Client, kind: Kind, row: Flat) -> str:
    if kind.source in (Source.PLAN, Source.ROLLOUT, Source.RECOVERY):
        return _of_rolls(client, kind, row)
    own = LISTED.get(kind.source, frozenset())
    shown = {name: value for name, value in row.items() if name not in own}
    parts = [_head(row), _fields(shown), _conditions(row), _firmware(row), _departures(row)]
    if kind.source is Source.ASSET:
        parts += [_parts(client, BY_NAME[name], row["name"]) for name in PARTS]
        parts.append(_attestations(client, row["name"]))
        parts += [_sensors(client, row["name"]), _events(client, f"node={row['name']}")]
    elif kind.source is Source.ATTESTATION:
        parts += [_policy(row), _findings(row), _evidence(client, row["id"])]
    elif kind.source is Source.BASELINE:
        parts.append(yaml.safe_dump(row["document"], sort_keys=False, allow_unicode=True))
    elif kind.source is Source.HARDENING:
        parts.append(_checks(row))
    elif kind.source is Source.ADVISORY:
        parts.append(_concerned(row))
    elif kind.source is Source.PLANT:
        parts += [_disputes(row), _past(row)]
    elif kind.source is Source.EDGE:
        parts.append(_held(row))
    elif kind.source is Source.POWER_CHANGE:
        parts.append(f"{_approvals(row)}\n{row['text']}")
    elif kind.source is Source.SITE_POWER:
        parts.append(_site(row))
    elif kind.source is Source.POWER_POLICY:
        parts.append(yaml.safe_dump(row["document"], sort_keys=False, allow_unicode=True))
    elif kind.source is Source.CANDIDATE:
        parts.append(_different(row))
    elif kind.source is Source.RETIREMENT:
        parts.append(_wiped(row))
    elif kind.source is Source.REFERENCE:
        parts.append(_sets(row))
    elif kind.source is Source.ENDPOINT:
        parts.append(_events(client, f"endpoint={row['address']}"))
    return "\n".join(part for part in parts if part)


def _of_rolls(client: Client, kind: Kind, row: Flat) -> str:
    """From the single object: what a list gives is short."""
    whole = row if row["nodes"] else flat(client.get(path_of(kind, row["id"])))
    shown = {name: value for name, value in whole.items() if name != "labels" or value}
    body = plan_text(whole) if kind.source is Source.PLAN else rollout_text(whole)
    return f"{_head(whole)}\n{_fields(shown)}\n{body}"


def _disputes(row: Flat) -> str:
    """Where sources differ over it, what counts meanwhile, and what nobody has told."""
    lines = []
    for each in row["conflicts"]:
        said = "; ".join(f"{claim['source']} says {claim['value']}" for claim in each["claims"])
        lines.append(
            f"conflict  {each['subject']} {each['field']}: {said}; {each['counts']} counts"
        )
    lines += [f"unknown   {gap['subject']} {gap['field']}: {gap['reason']}" for gap in row["gaps"]]
    return "".join(f"{line}\n" for line in lines)


def _past(row: Flat) -> str:
    """What did happen at its limit, and what would have."""
    past = row.get("past")
    if not past:
        return ""
    lines = [
        f"{word.ljust(9)} {each['seconds']:g} s over its limit, at worst by "
        f"{each['worst_w']:g} W, {each['joules'] / 3.6e6:.3g} kWh"
        for word, each in (("did", past["did"]), ("would", past["would"]))
    ]
    lines.append(f"withheld  {past['withheld_j'] / 3.6e6:.3g} kWh would not have been drawn")
    seen, unseen = past["seen_s"], past["unseen_s"]
    lines.append(f"seen      {seen:g} s since {past['since']}, not seen {unseen:g} s")
    return "".join(f"{line}\n" for line in lines)


def _site(row: Flat) -> str:
    """What is asked of it, where its watts go, and what work they are worth."""
    lines = []
    for each in row["targets"]:
        late = ", not reached yet" if each["late"] else ""
        lines.append(
            f"target    {each['name']}: {each['limit_w']:g} W from {each['begins']} "
            f"to {text(each['ends'])}{late}" + (f" ({each['by']})" if each["by"] else "")
        )
    lines += [
        f"stage     {each['name']}: {each['input_w']:g} W in, {each['output_w']:g} W out, "
        f"{text(each['efficiency'])} ({each['counted']} of {each['of']} measured"
        + (f", up to {each['oldest_s']:g} s ago)" if each["oldest_s"] else ")")
        for each in row["stages"]
    ]
    for each in row["actuators"]:
        told = "" if each["told"] is None else f", told {each['told']:g} {each['unit']}"
        reads = f"{text(each['reads'])} {each['reads_unit']}"
        why = f" ({each['why']})" if each["why"] else ""
        lines.append(
            f"{each['what'].ljust(9)} {each['name']} of {each['where']}: {each['state']}{why}, "
            f"reads {reads}{told}, {each['mode']}"
        )
    for each in row["jobs"]:
        worth = f"{each['per_joule']:.4g} {each['unit']}/J" if each["per_joule"] else each["why"]
        lines.append(f"job       {each['name']}: {each['nodes']} nodes, {worth}")
    return "".join(f"{line}\n" for line in lines)


def _approvals(row: Flat) -> str:
    """What it needs, and who gave it."""
    lines = []
    for each in row["approvals"]:
        of, given = each["group"] or "anybody else", ", ".join(each["by"]) or "nobody yet"
        lines.append(f"approval  {each['needed']} of {of}: {given}")
    return "".join(f"{line}\n" for line in lines)


def _held(row: Flat) -> str:
    """What holds the rack down, what nobody knows, and the last deeds, newest first."""
    lines = [f"latched   {e['name']}: {e['because']}; {e['effect']}" for e in row["latched"]]
    lines += [f"hold      {each['name']}: {each['because']}" for each in row["holds"]]
    lines += [_cap_line(each) for each in row.get("caps", ())]
    lines += [f"unknown   {each['because']}" for each in row["unknown"]]
    lines += [f"would     {line}" for line in row["would"]]
    for each in row["done"]:
        why = f" ({each['because']})" if each["because"] else ""
        lines.append(
            f"done      {each['at']} {each['what']} {each['subject']}: {each['fate']}{why}"
        )
    return "".join(f"{line}\n" for line in lines)


def _cap_line(cap: Flat) -> str:
    """`caps` of a server of an older version are not there."""
    word = {True: "kept", False: "not kept"}.get(cap["kept"], "not known whether kept")
    why = f": {text(cap['why'])}" if cap["why"] else ""
    held = f"{text(cap['subject'])} at {cap['watts']:g} W until {second(cap['until'])}"
    return f"cap       {held} by {text(cap['by'])}: {word}{why}"


def _head(row: Flat) -> str:
    stale = "  (stale: older than two polls, or no answer)" if row.get("stale") else ""
    return f"Name: {text(row.get('id'))}\nAge:  {age(row)}{stale}\n"


def _fields(row: Flat) -> str:
    lines = [(name, _value(value)) for name, value in row.items() if name not in SKIPPED]
    width = max((len(name) for name, _ in lines), default=0)
    return "".join(f"{name.ljust(width)}  {value}\n" for name, value in lines)


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name}={text(each)}" for name, each in value.items()) or "-"
    return text(value)


def _conditions(row: Flat) -> str:
    found = row.get("conditions") or []
    if not found:
        return ""
    width = max(len(each["type"]) for each in found)
    lines = ["Conditions:"]
    for each in found:
        said = ": ".join(filter(None, (each["reason"], each["message"])))
        lines.append(f"  {each['type'].ljust(width)}  {each['status']:7}  {text(said)}")
        if each["next_step"] and each["status"] != "True":
            lines.append(f"  {' ' * width}           next: {text(each['next_step'])}")
    return "\n".join(lines) + "\n"


def _firmware(row: Flat) -> str:
    found = row.get("firmware")
    if not isinstance(found, list) or not found:
        return ""
    names = ("component", "version", "updateable", "state")
    return "Firmware:\n" + _indented(plain_table([column(n.upper(), n) for n in names], found))


def _departures(row: Flat) -> str:
    found = row.get("items")
    if not isinstance(found, list) or not found:
        return ""
    names = ("subject", "outcome", "desired", "applied", "staged", "part", "reason")
    return "Departures:\n" + _indented(plain_table([column(n.upper(), n) for n in names], found))


def _checks(row: Flat) -> str:
    """Each finding with what to do about it, the worst first."""
    lines = []
    for each in row["checks"]:
        head = f"  {each['state']:7}  {each['severity']:6}  {each['check']:16}"
        lines.append(f"{head}  {text(each['message'])}")
        if each["next_step"] and each["state"] != "sound":
            lines.append(f"{' ' * 37}next: {text(each['next_step'])}")
    return "Checks:\n" + "\n".join(lines) + "\n"


def _concerned(row: Flat) -> str:
    """Whom an advisory concerns, grouped, and what to do."""
    found = row["findings"]
    if not found:
        return "Concerns: no node, as far as is known\n"
    names = ("count", "outcome", "component", "version", "fixed", "reason")
    columns = [column("NODES" if n == "count" else n.upper(), n) for n in names]
    columns.append(Column(title="WHICH", cell=lambda each: fold(each["nodes"], most=4)))
    told = "Concerns:\n" + _indented(plain_table(columns, found))
    if any(each["outcome"] == "affected" and each["fixed"] for each in found):
        told += f"Next: iolaus advisory fix {row['name']}\n"
    return told


def _sets(row: Flat) -> str:
    """Values, images of a package, or what a reviewer says, whichever it holds."""
    tables = (
        ("Values", "sets", ("part", "version", "indices")),
        ("Images", "images", ("image", "version", "identifier", "size", "sha256", "reviewed")),
        ("Reports", "reports", ("vendor", "product", "version", "provider", "completed", "issues")),
    )
    return "".join(
        f"{title}:\n" + _indented(plain_table([column(n.upper(), n) for n in names], row[key]))
        for title, key, names in tables
        if row.get(key)
    )


def _parts(client: Client, kind: Kind, owner: str) -> str:
    rows = _rows(client, kind, f"node={owner}")
    if not rows:
        return ""
    return f"{kind.plural.capitalize()}:\n" + _indented(
        plain_table(columns_of(kind, wide=False), rows)
    )


def _attestations(client: Client, owner: str) -> str:
    rows = _rows(client, BY_NAME["attestation"], f"node={owner}")
    if not rows:
        return ""
    table = plain_table(columns_of(BY_NAME["attestation"], wide=False), rows)
    return f"Attestation:   (iolaus describe attestation NAME)\n{_indented(table)}"


def _policy(row: Flat) -> str:
    """What counts, who lets what pass, and what is proposed."""
    lines = [f"By policy: {row['standing']}"]
    lines += [f"  {axis}: not good, and not let pass" for axis in row.get("wanting") or ()]
    for name, word in (("waived", "let pass"), ("waivers_over", "was let pass")):
        for each in row.get(name) or ():
            lines.append(
                f"  {each['axis']}: {word} by {each['owner']} until {each['expires']} "
                f"({each['policy']}): {text(each['reason'])}"
            )
    if row.get("proposal") == "quarantine":
        lines.append(f"Proposed: iolaus quarantine {row['node']}   (a plan; nothing happens yet)")
    return "\n".join(lines) + "\n"


def _findings(row: Flat) -> str:
    found = row.get("findings") or ()
    if not found:
        return "Findings: none\n"
    lines = ["Findings:"]
    for each in found:
        lines.append(f"  {each['code']}: {text(each['message'])}")
        lines += [f"    {name}: {_value(value)}" for name, value in each["detail"].items()]
    return "\n".join(lines) + "\n"


def _evidence(client: Client, name: str) -> str:
    """Chain and measurements of the newest evidence, and what is kept."""
    try:
        told = client.get(f"{path_of(BY_NAME['attestation'], name)}/evidence")
    except IolausError:
        return ""
    tables = (
        ("Chain, from root to leaf", told["chain"], ("subject", "holds", "anchor", "not_after")),
        ("Measurements", told["measurements"], ("index", "kind", "algorithm", "value", "text")),
        ("Evidence kept", told["items"], ("number", "asked_at", "outcome", "turned", "sha256")),
    )
    return "".join(
        f"{title}:\n" + _indented(plain_table([column(n.upper(), n) for n in names], rows))
        for title, rows, names in tables
        if rows
    )


def _sensors(client: Client, owner: str) -> str:
    rows = _rows(client, BY_NAME["sensor"], f"node={owner}")
    if not rows:
        return ""
    oldest = max((row["age_s"] for row in rows if row["age_s"] is not None), default=None)
    bad = [row for row in rows if row["status"] in ("Warning", "Critical")]
    head = (
        f"Sensors: {len(rows)}, {sum(row['value'] is None for row in rows)} without a value, "
        f"oldest {short_age(oldest)}   (iolaus get sensors -l node={owner})\n"
    )
    table = plain_table(columns_of(BY_NAME["sensor"], wide=False), bad)
    return head + (_indented(table) if bad else "")


def _events(client: Client, selector: str) -> str:
    kind = BY_NAME["event"]
    rows = _rows(client, kind, selector, most=EVENTS)[::-1]
    if not rows:
        return "Events: none\n"
    return "Events:\n" + _indented(plain_table(columns_of(kind, wide=False), rows))


def _rows(client: Client, kind: Kind, selector: str, *, most: int | None = None) -> list[Flat]:
    """What belongs to it; nothing if the server refuses (the page is still worth showing)."""
    try:
        path = f"/api/v1/{kind.plural}"
        return list(client.pages(path, most=most, fieldSelector=selector))
    except IolausError:
        return []


def _indented(table: str) -> str:
    lines: Iterable[str] = table.splitlines()
    return "".join(f"  {line}\n" for line in lines)


def _different(row: Flat) -> str:
    columns = [column("FIELD", "field"), column("EXPECTED", "expected"), column("SEEN", "seen")]
    found = row["differences"]
    return f"Not as expected:\n{plain_table(columns, found)}" if found else ""


def _wiped(row: Flat) -> str:
    columns = [column("WHAT", "what"), column("OUTCOME", "outcome"), column("DETAIL", "detail")]
    return f"Wiped:\n{plain_table(columns, row['items'])}"
