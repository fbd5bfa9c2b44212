"""`scontrol` and `squeue` as one program that keeps a cluster in a file beside itself.

Installed by `install` under both names; the tests read and write the file. `counts` are effects;
`strike` cuts a call off, before or after its effect, as a kill does; `format` is how old it is. It
is started hundreds of times, so it imports next to nothing.
"""

from __future__ import annotations

import marshal
import sys
from pathlib import Path
from typing import Any

PROGRAM = r"""#!%(python)s -IS
import marshal, os, sys
path = os.path.join(os.path.dirname(os.path.realpath(sys.argv[0])), "cluster")
with open(path, "rb") as file:
    world = marshal.load(file)
world["calls"].append([os.path.basename(sys.argv[0]), *sys.argv[1:]])
struck = world["strike"]["at"] == len(world["calls"])

def keep():
    with open(path + ".new", "wb") as file:
        marshal.dump(world, file)
    os.replace(path + ".new", path)

def die():
    os.kill(os.getpid(), 9)

def end(code, out="", err=""):
    keep()
    if struck and world["strike"]["when"] == "after":
        die()
    sys.stdout.write(out)
    sys.stderr.write(err)
    sys.exit(code)

if struck and world["strike"]["when"] == "before":
    keep()
    die()
if world["failure"]:
    end(1, "", world["failure"] + "\n")

def node_of(name):
    found = [n for n in world["nodes"] if n["name"] == name]
    if not found:
        end(1, "", "Node %%s not found\n" %% name)
    return found[0]

def text_of(node):
    state = "+".join(node["state"])
    lines = ["NodeName=%%s Arch=x86_64 CoresPerSocket=64" %% node["name"],
             "   CPUAlloc=%%d CPUEfctv=128 CPUTot=128 CPULoad=0.03" %% node["alloc_cpus"],
             "   AvailableFeatures=gpu,State=IDLE", "   Gres=gpu:8",
             "   OS=Linux 5.14.0 State=IDLE+DRAIN", "   RealMemory=1 AllocMem=0 FreeMem=1",
             "   State=%%s ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A" %% state,
             "   BootTime=2026-11-01T00:00:00 SlurmdStartTime=2026-11-01T00:00:00"]
    if node["reason"]:
        lines.append("   Reason=%%s [root@2026-11-21T10:00:00]" %% node["reason"])
    return "\n".join(lines) + "\n\n"

def json(value):
    if isinstance(value, dict):
        return "{" + ", ".join(json(k) + ": " + json(v) for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(json, value)) + "]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)

def json_of(node):
    shown = dict(node)
    if world["format"] == "old-json":
        shown["state_flags"] = shown["state"][1:]
        shown["state"] = shown["state"][0].lower()
    return json({"meta": {}, "nodes": [shown], "errors": [], "warnings": []})

if os.path.basename(sys.argv[0]) == "squeue":
    words = dict(w.lstrip("-").partition("=")[::2] for w in sys.argv[1:])
    node_of(words["nodelist"])
    end(0, "".join("%%s\n" %% j for j in world["jobs"].get(words["nodelist"], [])))
if sys.argv[1:3] == ["show", "node"]:
    if "--json" in sys.argv and world["format"] == "text":
        end(1, "", "scontrol: unrecognized option '--json'\n")
    node = node_of(sys.argv[3])
    end(0, json_of(node) if "--json" in sys.argv else text_of(node))
if sys.argv[1] == "update":
    words = {k.lower(): v for k, _, v in (w.partition("=") for w in sys.argv[2:])}
    node = node_of(words["nodename"])
    if words.get("state") == "drain":
        if not words.get("reason"):
            end(1, "", "You must specify a reason when DRAINING a node\n")
        world["counts"]["drain"] += 1
        node["state"] = [*[s for s in node["state"] if s != "DRAIN"], "DRAIN"]
    elif words.get("state") == "undrain":
        world["counts"]["undrain"] += 1
        node["state"] = [s for s in node["state"] if s != "DRAIN"]
        if not world["keeps_reason"]:
            node["reason"] = ""
    elif "state" in words:
        end(1, "", "Invalid input: %%s\n" %% words["state"])
    if "reason" in words:
        node["reason"] = words["reason"]
    end(0)
end(1, "", "invalid keyword\n")
"""


class FakeCluster:
    """The file beside the program, as Python sees it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._file = folder, folder / "cluster"

    @property
    def world(self) -> dict[str, Any]:
        world: dict[str, Any] = marshal.loads(self._file.read_bytes())
        return world

    def change(self, **values: Any) -> None:
        self._file.write_bytes(marshal.dumps(self.world | values))

    def node(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = next(n for n in self.world["nodes"] if n["name"] == name)
        return found

    def set_node(self, name: str, **values: Any) -> None:
        nodes = [n | values if n["name"] == name else n for n in self.world["nodes"]]
        self.change(nodes=nodes)


def node(name: str, *states: str, reason: str = "", alloc_cpus: int = 0) -> dict[str, Any]:
    return {
        "name": name,
        "state": list(states or ("IDLE",)),
        "reason": reason,
        "alloc_cpus": alloc_cpus,
        "reason_set_by_user": "root",
        "tres": "cpu=128",
    }


def install(folder: Path, *nodes: dict[str, Any], **values: Any) -> FakeCluster:
    for name in ("scontrol", "squeue"):
        program = folder / name
        program.write_text(PROGRAM % {"python": sys.executable})
        program.chmod(0o755)
    world: dict[str, Any] = {
        "nodes": list(nodes),
        "jobs": {},
        "calls": [],
        "counts": {"drain": 0, "undrain": 0},
        "strike": {"at": 0, "when": "after"},
        "failure": "",
        "format": "json",
        "keeps_reason": True,
    }
    (folder / "cluster").write_bytes(marshal.dumps(world | values))
    return FakeCluster(folder)
