"""Small hand-written Redfish trees, one per kind of device, to be bent by the tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.drivers.redfish.fake import ROOT, Tree

OK = {"State": "Enabled", "Health": "OK"}


def link(path: str) -> dict[str, str]:
    return {"@odata.id": f"{ROOT}/{path}"}


def put(tree: Tree, path: str, kind: str, **fields: Any) -> None:
    """A resource at `path`. Fields given as links name paths."""
    uri = f"{ROOT}/{path}" if path else ROOT
    name = path.rpartition("/")[2] or "Root"
    tree[uri] = {
        "@odata.id": uri,
        "@odata.type": f"#{kind}.v1_0_0.{kind}",
        "Id": name,
        "Name": f"{kind} {name}",
        **fields,
    }


def put_all(tree: Tree, path: str, kind: str, members: Mapping[str, Mapping[str, Any]]) -> None:
    """A collection and its members."""
    for name, fields in members.items():
        put(tree, f"{path}/{name}", kind, **fields)
    tree[f"{ROOT}/{path}"] = {
        "@odata.id": f"{ROOT}/{path}",
        "@odata.type": f"#{kind}Collection.{kind}Collection",
        "Name": path.rpartition("/")[2],
        "Members": [link(f"{path}/{name}") for name in members],
    }


def rooted(*names: str) -> Tree:
    tree: Tree = {}
    put(tree, "", "ServiceRoot", RedfishVersion="1.15.0", **{name: link(name) for name in names})
    return tree


def server(**fields: Any) -> Tree:
    """One CPU node: two CPUs, four DIMMs (one absent), drives, a nic, supplies, fans, firmware."""
    tree = rooted("Systems", "Chassis", "Managers", "UpdateService")
    own = {
        "SystemType": "Physical",
        "Manufacturer": "Acme Inc.",
        "Model": "A1",
        "SerialNumber": "S-1",
        "UUID": "11111111-2222-3333-4444-555555555555",
        "HostName": "n1",
        "PowerState": "On",
        "Status": OK,
        "Processors": link("Systems/1/Processors"),
        "Memory": link("Systems/1/Memory"),
        "Storage": link("Systems/1/Storage"),
        "Links": {"Chassis": [link("Chassis/1")], "ManagedBy": [link("Managers/1")]},
    }
    put_all(tree, "Systems", "ComputerSystem", {"1": own | fields})
    cpu = {"ProcessorType": "CPU", "Status": OK, "Manufacturer": "Intel(R) Corporation"}
    put_all(tree, "Systems/1/Processors", "Processor", {"CPU1": cpu, "CPU2": cpu})
    dimm = {"CapacityMiB": 65536, "Status": OK}
    dimms: dict[str, dict[str, Any]] = {f"D{n}": dimm for n in range(3)} | {
        "D3": {"Status": {"State": "Absent"}}
    }
    put_all(tree, "Systems/1/Memory", "Memory", dimms)
    drive = {"Status": OK, "CapacityBytes": 2**40}
    put_all(tree, "Systems/1/Storage/A/Drives", "Drive", {"0": drive, "1": drive})
    drives = [link("Systems/1/Storage/A/Drives/0"), link("Systems/1/Storage/A/Drives/1")]
    put_all(tree, "Systems/1/Storage", "Storage", {"A": {"Drives": drives}})
    _chassis(tree)
    put_all(tree, "Managers", "Manager", {"1": {"ManagerType": "BMC", "FirmwareVersion": "1.2 "}})
    put(tree, "UpdateService", "UpdateService", FirmwareInventory=link("UpdateService/Firmware"))
    entry = {"Version": "1.2", "Updateable": True, "Status": OK}
    put_all(tree, "UpdateService/Firmware", "SoftwareInventory", {"bmc": entry, "bios": entry})
    return tree


def _chassis(tree: Tree) -> None:
    subs = ("PowerSubsystem", "ThermalSubsystem", "Power", "Thermal", "NetworkAdapters")
    box = {"ChassisType": "RackMount", **{name: link(f"Chassis/1/{name}") for name in subs}}
    put_all(tree, "Chassis", "Chassis", {"1": box | {"SerialNumber": "C-1"}})
    put_all(tree, "Chassis/1/NetworkAdapters", "NetworkAdapter", {"N1": {"Status": OK}})
    supplies, fans = "Chassis/1/PowerSubsystem/PowerSupplies", "Chassis/1/ThermalSubsystem/Fans"
    put(tree, "Chassis/1/PowerSubsystem", "PowerSubsystem", PowerSupplies=link(supplies))
    put(tree, "Chassis/1/ThermalSubsystem", "ThermalSubsystem", Fans=link(fans))
    supply = {"Status": OK, "SerialNumber": "P"}
    put_all(tree, supplies, "PowerSupply", {"0": supply, "1": supply})
    put_all(tree, fans, "Fan", {"F0": {"Status": OK}})
    legacy = [{"MemberId": "0", "Status": OK}, {"MemberId": "1", "Status": OK}]
    put(tree, "Chassis/1/Power", "Power", PowerSupplies=legacy)
    put(tree, "Chassis/1/Thermal", "Thermal", Fans=legacy)


def tray() -> Tree:
    """A host and a baseboard that shows its GPUs and the host's CPUs again."""
    tree = rooted("Systems", "Chassis", "Managers")
    systems: dict[str, dict[str, Any]] = {
        "System_0": {"Bios": link("Systems/System_0/Bios"), "SystemType": "Physical"},
        "Baseboard_0": {"Manufacturer": "Maker", "Model": "", "SerialNumber": "B-9"},
    }
    for name in systems:
        systems[name]["Processors"] = link(f"Systems/{name}/Processors")
        systems[name]["Boot"] = {"BootSourceOverrideTarget@Redfish.AllowableValues": ["Pxe"]}
    put_all(tree, "Systems", "ComputerSystem", systems)
    cpu = {"ProcessorType": "CPU", "Socket": "G1", "SerialNumber": "0x17"}
    put_all(tree, "Systems/System_0/Processors", "Processor", {"CPU_0": cpu})
    gpu = {"ProcessorType": "GPU", "Status": OK}
    again = {"ProcessorType": "CPU", "Socket": "G1"}
    board: dict[str, dict[str, Any]] = {"GPU_0": gpu, "GPU_1": gpu, "CPU_0": again}
    put_all(tree, "Systems/Baseboard_0/Processors", "Processor", board)
    put_all(tree, "Chassis", "Chassis", {"GPU_0": {"ChassisType": "Module"}})
    put_all(tree, "Managers", "Manager", {"BMC_0": {"FirmwareVersion": "24.1"}})
    return tree


def blades(number: int = 2) -> Tree:
    """An enclosure with blades behind one controller; the supplies are the enclosure's."""
    tree = rooted("Systems", "Chassis")
    names = [f"Blade{n}" for n in range(1, number + 1)]
    systems = {name: {"Links": {"Chassis": [link(f"Chassis/{name}")]}} for name in names}
    put_all(tree, "Systems", "ComputerSystem", systems)
    held: dict[str, dict[str, Any]] = {name: {"ChassisType": "Blade"} for name in names}
    contains = {"Contains": [link(f"Chassis/{name}") for name in names]}
    held["Box"] = {
        "ChassisType": "Enclosure",
        "Links": contains,
        "Power": link("Chassis/Box/Power"),
    }
    put_all(tree, "Chassis", "Chassis", held)
    put(tree, "Chassis/Box/Power", "Power", PowerSupplies=[{"Status": OK}, {"Status": OK}])
    return tree


def with_dpu() -> Tree:
    """A server with a smart NIC that shows a system of its own."""
    tree = server()
    dpu = {"SystemType": "DPU", "Links": {"Chassis": [link("Chassis/Card")]}}
    put(tree, "Systems/Dpu", "ComputerSystem", **dpu)
    tree[f"{ROOT}/Systems"]["Members"].append(link("Systems/Dpu"))
    adapters = {"NetworkAdapters": link("Chassis/Card/NetworkAdapters"), "ChassisType": "Card"}
    put(tree, "Chassis/Card", "Chassis", **adapters)
    tree[f"{ROOT}/Chassis"]["Members"].append(link("Chassis/Card"))
    put_all(tree, "Chassis/Card/NetworkAdapters", "NetworkAdapter", {"N": {"Status": OK}})
    return tree


def equipment(root: str, group: str, kind: str, equipment_type: str) -> Tree:
    """A power or cooling device without any system."""
    tree = rooted(root, "Chassis")
    put(tree, root, root, **{group: link(f"{root}/{group}")})
    unit = {
        "EquipmentType": equipment_type,
        "Manufacturer": "Acme",
        "SerialNumber": "E-1",
        "Links": {"Chassis": [link("Chassis/X")]},
    }
    put_all(tree, f"{root}/{group}", kind, {"1": unit})
    put_all(tree, "Chassis", "Chassis", {"X": {"ChassisType": "Shelf"}})
    return tree


def switch_tray() -> Tree:
    """A small host that carries network switches and computes nothing."""
    tree = rooted("Systems", "Fabrics")
    put_all(tree, "Systems", "ComputerSystem", {"System_0": {"Bios": link("Bios")}})
    put_all(tree, "Fabrics", "Fabric", {"F": {"Switches": link("Fabrics/F/Switches")}})
    put_all(tree, "Fabrics/F/Switches", "Switch", {"S0": {"SwitchType": "NVLink"}})
    return tree
