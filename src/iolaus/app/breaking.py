"""Faults of the simulated hall from the command line: list, explain, break, mend.

`iolaus sim faults|explain` read the catalogue and need nothing else. `iolaus demo break|mend|
faults` speak to the oracle of a hall that runs: `iolaus up` leaves word of where it is in a file
that only its user can read. Whose devices are meant is said with the selector words of `-l`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer
import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from iolaus.kernel.errors import OperatorMust
from iolaus.north.cli.render import is_plain, print_json, say, write

Output = Annotated[str, typer.Option("-o", "--output", metavar="table|json|yaml|name")]
State = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="The DIR given to iolaus up.")
]
FORMS: Final = ("table", "json", "yaml", "name")
GAP: Final = "   "
SEVERAL: Final = 10


def sim_faults(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORD...]", help="Only those with these words.")
    ] = None,
    output: Output = "table",
) -> None:
    """Every fault that the simulator can play.

    SOURCE is the row of the catalogue of field behaviours, or `energy` for the failures that power
    control must survive. Examples: iolaus sim faults; iolaus sim faults session; iolaus sim
    faults energy -o json
    """
    from iolaus.sim.catalogue.show import entries, rows_of, view

    must_be_a_form(output)
    found = entries(words or [])
    if not found:
        raise OperatorMust(
            "no fault has these words",
            operation="list faults",
            subject=" ".join(words or []),
            code="NoSuchFault",
            next_step="`iolaus sim faults` without a word lists all of them.",
        )
    if output == "table":
        rows = [(e.name, e.room, rows_of(e), e.title) for e in found]
        print_rows(("FAULT", "ROOM", "SOURCE", "WHAT HAPPENS"), rows)
    else:
        print_items("FaultList", [view(entry) for entry in found], output)


def sim_explain(
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="Its name in `sim faults`.")],
    output: Output = "table",
) -> None:
    """What a fault does, what may be given to it, and how it is seen.

    Example: iolaus sim explain accepts-and-ignores
    """
    from iolaus.sim.catalogue import fault_of
    from iolaus.sim.catalogue.show import view

    must_be_a_form(output)
    found = view(fault_of(fault))
    if output == "table":
        write(explained(found))
    elif output == "json":
        print_json(found)
    else:
        print_items("", [found], output)


def demo_break(
    fault: Annotated[str, typer.Argument(metavar="FAULT", help="Its name in `sim faults`.")],
    selector: Annotated[
        str, typer.Option("-l", "--selector", help="On whom: rack=h1-r07, h1-r07-u[08-12], ...")
    ] = "",
    duration: Annotated[
        str | None, typer.Option("--for", metavar="30s|5m", help="Mends itself after so long.")
    ] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="See `sim explain`.")
    ] = None,
    everywhere: Annotated[bool, typer.Option("--all", help="On every device it fits.")] = False,
    state: State = None,
    output: Output = "table",
) -> None:
    """Let a fault befall the simulated hall of a running `iolaus up`.

    Examples: iolaus demo break leak-tray -l h1-r01-u08 --for 2m; iolaus demo break slow -l
    rack=h1-r03 --set seconds=10
    """
    from iolaus.app.oracle import found_oracle

    must_be_a_form(output)
    if not selector and not everywhere:
        raise OperatorMust(
            "it is not said on whom",
            operation="break",
            subject=fault,
            code="NoSelector",
            next_step="add -l rack=h1-r07 or -l NAME, or --all for every device that it fits.",
        )
    order = order_of(fault, selector, duration, given or [])
    with found_oracle(state) as oracle:
        told = oracle.strike(order)
        if not told["on"] and selector:
            oracle.mend(told["id"])
            raise nobody(fault, selector)
    print_items("", [told], output) if output != "table" else say(struck(told))


def demo_mend(
    word: Annotated[
        str | None, typer.Argument(metavar="[FAULT]", help="A name or id; all if none.")
    ] = None,
    state: State = None,
    output: Output = "table",
) -> None:
    """Mend what `demo break` broke: one fault, or all.

    Examples: iolaus demo mend leak-tray; iolaus demo mend
    """
    from iolaus.app.oracle import found_oracle

    must_be_a_form(output)
    with found_oracle(state) as oracle:
        gone = oracle.mend(word)
    if word and not gone:
        raise OperatorMust(
            "nothing of this name or id is on",
            operation="mend",
            subject=word,
            code="NotBroken",
            next_step="`iolaus demo faults` shows what is on.",
        )
    if output != "table":
        print_items("FaultList", gone, output)
    else:
        say(f"mended: {', '.join(each['id'] for each in gone) or 'nothing was on'}")


def demo_faults(state: State = None, output: Output = "table") -> None:
    """What is broken in the simulated hall now."""
    from iolaus.app.oracle import found_oracle

    must_be_a_form(output)
    with found_oracle(state) as oracle:
        on = oracle.on()
    if output != "table":
        print_items("FaultList", on, output)
    elif not on:
        say("nothing is broken")
    else:
        print_rows(("ID", "FAULT", "SELECTOR", "DEVICES", "FOR"), [_line(each) for each in on])


def order_of(
    fault: str, selector: str, duration: str | None, given: Sequence[str]
) -> dict[str, Any]:
    """What is posted to the oracle, checked here first: the words are nearer. Raises."""
    from iolaus.sim.catalogue import fault_of
    from iolaus.sim.catalogue.script import duration_s
    from iolaus.sim.catalogue.select import Selector

    pairs = dict(pair_of(each) for each in given)
    fault_of(fault).complete(pairs)
    Selector(selector)
    for_s = None if duration is None else duration_s(duration)
    if duration is not None and not for_s:
        raise OperatorMust(
            "is no duration",
            operation="read --for",
            subject=duration,
            code="BadDuration",
            next_step="write it as 30s, 5m or 1h.",
        )
    return {"fault": fault, "select": selector, "for_s": for_s, "with": pairs}


def pair_of(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise OperatorMust(
            "is not KEY=VALUE",
            operation="read --set",
            subject=text,
            code="BadPair",
            next_step="write it as --set seconds=10; `iolaus sim explain FAULT` shows the keys.",
        )
    return key.strip(), value.strip()


def nobody(fault: str, selector: str) -> OperatorMust:
    from iolaus.sim.catalogue import fault_of
    from iolaus.sim.catalogue.show import fits

    return OperatorMust(
        f"it befalls nobody of {selector!r}",
        operation="break",
        subject=fault,
        code="NobodyMeant",
        next_step=f"it fits {fits(fault_of(fault))}; `iolaus get endpoints` shows names, "
        "`iolaus get no -o yaml` labels.",
    )


def struck(told: dict[str, Any]) -> str:
    on = told["on"]
    whom = ", ".join(on[:5]) + (f" and {len(on) - 5} more" if len(on) > 5 else "")
    until = f" for {told['for_s']:g} s" if told["for_s"] else ""
    mend = f"mend it: iolaus demo mend {told['id']}"
    return f"{told['fault']} is on{until}: {whom or 'the hall'}; {mend}"


def explained(found: dict[str, Any]) -> str:
    lines = [f"{found['name']}: {found['title']}", "", found["what"], ""]
    rows = [
        ("plays", "; ".join(found["sources"]) or "an adversary or accident of our own"),
        ("room", found["room"]),
        ("fits", found["fits"]),
        ("such as", ", ".join(found["personas"]) if len(found["personas"]) < SEVERAL else ""),
        ("needs", found["needs"]),
        ("seen", found["seen"]),
        ("oracle", found["oracle"]),
    ]
    lines += [f"{word:<9}{text}" for word, text in rows if text]
    if found["arguments"]:
        lines += ["", "arguments (--set KEY=VALUE):"]
    for each in found["arguments"]:
        unit = f" {each['unit']}" if each["unit"] else ""
        usual = "not given" if each["usual"] is None else f"{_plain(each['usual'])}{unit}"
        choices = f"; one of {', '.join(each['choices'])}" if each["choices"] else ""
        lines.append(f"  {each['name']:<12}{each['what']} (usual: {usual}{choices})")
    lines += ["", f"try it: iolaus demo break {found['name']} -l NAME --for 1m"]
    return "\n".join(lines) + "\n"


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _line(told: dict[str, Any]) -> tuple[str, ...]:
    for_s = f"{told['for_s']:g} s" if told["for_s"] else "-"
    return told["id"], told["fault"], told["select"] or "-", str(len(told["on"])), for_s


def print_rows(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table: coloured and wrapped on a terminal, aligned plain text elsewhere."""
    if is_plain(sys.stdout):
        lines = [titles, *rows]
        widths = [max(len(line[n]) for line in lines) for n in range(len(titles))]
        for line in lines:
            write(GAP.join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() + "\n")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for n, title in enumerate(titles):
        table.add_column(title, no_wrap=n == 0)
    for row in rows:
        table.add_row(Text(row[0], style="bold"), *row[1:])
    Console(highlight=False).print(table)


def print_items(kind: str, items: Sequence[dict[str, Any]], output: str) -> None:
    """A list, or the one object where `kind` is empty."""
    document = {"kind": kind, "items": list(items)} if kind else items[0]
    if output == "json":
        print_json(document)
    elif output == "yaml":
        write(yaml.safe_dump(document, sort_keys=False, allow_unicode=True))
    else:
        write("".join(f"{each.get('id') or each['name']}\n" for each in items))


def must_be_a_form(output: str) -> None:
    if output not in FORMS:
        raise OperatorMust(
            f"takes {', '.join(FORMS)}, not {output!r}",
            operation="read option",
            subject="-o",
            code="BadOption",
            next_step="correct it; --help shows what each option takes.",
        )
