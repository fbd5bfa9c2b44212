"""Processors, memory, drives and adapters as their resources, with the maker's ids as arguments.

Every function draws one thing and its neighbours (a processor and its metrics, an adapter and its
ports) and gives back its path. Ids, models and links are the caller's business, because they are
what makers differ in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from iolaus.sim.personas.sketch import (
    Json,
    Sketch,
    all_at,
    at,
    live,
    ok,
    own_guid,
    own_mac,
    own_serial,
    own_uuid,
    uri,
)

ERASE: Final = "Drive.SecureErase"
WAY: Final = "SanitizationType"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    maker: str
    model: str
    cores: int
    threads: int
    mhz: int
    tdp_w: int
    architecture: str = "x86"
    instructions: str = "x86-64"
    serial: str = "################"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    maker: str
    model: str
    memory_gib: int
    tdp_w: int
    min_w: int
    part: str
    serial: str
    memory_type: str = "HBM3E"
    firmware: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimm:
    maker: str
    part: str
    gib: int
    mhz: int
    kind: str = "DDR5"
    serial: str = "********"
    module: str | None = "RDIMM"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    maker: str
    model: str
    gb: int
    serial: str
    firmware: str
    media: str = "SSD"
    protocol: str = "NVMe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nic:
    maker: str
    model: str
    part: str
    serial: str
    firmware: str
    oui: str
    ports: int = 1
    gbps: int = 400
    medium: str = "InfiniBand"


def processor(s: Sketch, path: str, number: int, cpu: Cpu, *, socket: str, **fields: Any) -> str:
    """A CPU with its metrics; `number` names its live values."""
    collection = path.rpartition("/")[0]
    s.collect(collection, "Processor", "Processors Collection")
    s.put(
        path,
        "Processor",
        "Processor",
        ProcessorType="CPU",
        Socket=socket,
        Manufacturer=cpu.maker,
        Model=cpu.model,
        ProcessorArchitecture=cpu.architecture,
        InstructionSet=cpu.instructions,
        MaxSpeedMHz=cpu.mhz,
        TotalCores=cpu.cores,
        TotalThreads=cpu.threads,
        TDPWatts=cpu.tdp_w,
        SerialNumber=own_serial(cpu.serial, path),
        Status=ok(),
        Metrics=at(f"{path}/ProcessorMetrics"),
        **fields,
    )
    s.put(
        f"{path}/ProcessorMetrics",
        "ProcessorMetrics",
        "Processor Metrics",
        BandwidthPercent=live(f"cpu_util.{number}"),
        OperatingSpeedMHz=live(f"cpu_mhz.{number}", 0),
    )
    return path


def accelerator(s: Sketch, path: str, number: int, gpu: Gpu, **fields: Any) -> str:
    """A GPU with its metrics and its memory summary."""
    s.collect(path.rpartition("/")[0], "Processor", "Processors Collection")
    s.put(
        path,
        "Processor",
        "Processor",
        ProcessorType="GPU",
        Manufacturer=gpu.maker,
        Model=gpu.model,
        PartNumber=gpu.part,
        SerialNumber=own_serial(gpu.serial, path),
        UUID=own_uuid(path),
        FirmwareVersion=gpu.firmware,
        MaxSpeedMHz=1980,
        TDPWatts=gpu.tdp_w,
        MemorySummary={
            "TotalMemorySizeMiB": gpu.memory_gib * 1024,
            "ECCModeEnabled": True,
        },
        Status=ok(),
        Metrics=at(f"{path}/ProcessorMetrics"),
        **fields,
    )
    s.put(
        f"{path}/ProcessorMetrics",
        "ProcessorMetrics",
        "Processor Metrics",
        BandwidthPercent=live(f"gpu_util.{number}"),
        OperatingSpeedMHz=live(f"gpu_mhz.{number}", 0),
        PCIeErrors={"CorrectableErrorCount": 0, "FatalErrorCount": 0, "ReplayCount": 0},
    )
    return path


def module(s: Sketch, path: str, dimm: Dimm, *, label: str, **fields: Any) -> str:
    """A memory module."""
    s.collect(path.rpartition("/")[0], "Memory", "Memory Module Collection")
    return s.put(
        path,
        "Memory",
        f"Memory {label}",
        MemoryType="DRAM",
        MemoryDeviceType=dimm.kind,
        BaseModuleType=dimm.module,
        CapacityMiB=dimm.gib * 1024,
        OperatingSpeedMhz=dimm.mhz,
        AllowedSpeedsMHz=[dimm.mhz],
        DataWidthBits=64,
        BusWidthBits=80,
        RankCount=2,
        ErrorCorrection="MultiBitECC",
        DeviceLocator=label,
        Manufacturer=dimm.maker,
        PartNumber=dimm.part,
        SerialNumber=own_serial(dimm.serial, path),
        Status=ok(),
        **fields,
    )


def empty_slot(s: Sketch, path: str, *, label: str) -> str:
    """A memory slot with nothing in it: listed, and absent."""
    s.collect(path.rpartition("/")[0], "Memory", "Memory Module Collection")
    return s.put(
        path,
        "Memory",
        f"Memory {label}",
        DeviceLocator=label,
        CapacityMiB=0,
        Status={"State": "Absent"},
    )


def drive(
    s: Sketch, path: str, disk: Disk, *, bay: str, erases: Sequence[str] = (), **fields: Any
) -> str:
    """`erases` are the ways in which it can be told to erase itself; none: it cannot."""
    action = {"target": uri(f"{path}/Actions/{ERASE}"), f"{WAY}@Redfish.AllowableValues": [*erases]}
    return s.put(
        path,
        "Drive",
        f"Drive {bay}",
        Manufacturer=disk.maker,
        Model=disk.model,
        SerialNumber=own_serial(disk.serial, path),
        PartNumber=f"{disk.model}-{disk.gb}",
        Revision=disk.firmware,
        CapacityBytes=disk.gb * 1_000_000_000,
        BlockSizeBytes=512,
        MediaType=disk.media,
        Protocol=disk.protocol,
        CapableSpeedGbs=32,
        NegotiatedSpeedGbs=32,
        PredictedMediaLifeLeftPercent=97,
        FailurePredicted=False,
        EncryptionAbility="SelfEncryptingDrive",
        PhysicalLocation={"PartLocation": {"ServiceLabel": bay, "LocationType": "Bay"}},
        Status=ok(),
        Actions={f"#{ERASE}": action} if erases else None,
        **fields,
    )


def storage(
    s: Sketch,
    path: str,
    *,
    name: str,
    drives: Sequence[str],
    controller: str | None = None,
    inline: bool = False,
) -> str:
    """A storage subsystem over drives already drawn. `inline`: the old StorageControllers array
    instead of a Controllers collection; `controller` None: neither."""
    s.collect(path.rpartition("/")[0], "Storage", "Storage Collection")
    modern = controller is not None and not inline
    s.put(
        path,
        "Storage",
        name,
        Drives=all_at(drives),
        Volumes=at(f"{path}/Volumes"),
        Controllers=at(f"{path}/Controllers") if modern else None,
        StorageControllers=_inline(path, controller) if controller and inline else None,
        Status=ok(),
        **{"Drives@odata.count": len(drives)},
    )
    s.collect(f"{path}/Volumes", "Volume", "Volume Collection")
    if controller is not None and modern:
        _controller(s, path, controller)
    return path


def _inline(path: str, model: str) -> list[Json]:
    return [
        {
            "@odata.id": f"{uri(path)}#/StorageControllers/0",
            "MemberId": "0",
            "Model": model,
            "SupportedDeviceProtocols": ["NVMe"],
            "Status": ok(),
        }
    ]


def _controller(s: Sketch, path: str, model: str) -> None:
    s.collect(f"{path}/Controllers", "StorageController", "Storage Controllers")
    s.put(
        f"{path}/Controllers/0",
        "StorageController",
        model,
        Model=model,
        SerialNumber=own_serial("********", f"{path}/controller"),
        SupportedDeviceProtocols=["NVMe"],
        Status=ok(),
    )


def adapter(s: Sketch, path: str, nic: Nic, *, ports: str = "Ports", **fields: Any) -> str:
    """A network adapter with its ports and device functions."""
    s.collect(path.rpartition("/")[0], "NetworkAdapter", "Network Adapters")
    s.put(
        path,
        "NetworkAdapter",
        fields.pop("Name", "Network Adapter"),
        Manufacturer=nic.maker,
        Model=nic.model,
        PartNumber=nic.part,
        SerialNumber=own_serial(nic.serial, path),
        Ports=at(f"{path}/{ports}"),
        NetworkDeviceFunctions=at(f"{path}/NetworkDeviceFunctions"),
        Controllers=[
            {
                "FirmwarePackageVersion": nic.firmware,
                "ControllerCapabilities": {"NetworkPortCount": nic.ports},
                "Links": {"Ports": all_at(f"{path}/{ports}/{n}" for n in range(1, nic.ports + 1))},
            }
        ],
        Status=ok(),
        **fields,
    )
    s.collect(f"{path}/{ports}", "Port", "Port Collection")
    s.collect(f"{path}/NetworkDeviceFunctions", "NetworkDeviceFunction", "Network Device Functions")
    for number in range(1, nic.ports + 1):
        _port(s, f"{path}/{ports}/{number}", nic)
        _function(s, path, ports, number, nic)
    return path


def _port(s: Sketch, path: str, nic: Nic) -> None:
    s.put(
        path,
        "Port",
        "Port",
        PortProtocol=nic.medium,
        PortType="BidirectionalPort",
        PortMedium="Optical" if nic.gbps >= 100 else "Electrical",
        CurrentSpeedGbps=nic.gbps,
        MaxSpeedGbps=nic.gbps,
        LinkNetworkTechnology=nic.medium,
        LinkState="Enabled",
        LinkStatus="LinkUp",
        Status=ok(),
    )


def _function(s: Sketch, path: str, ports: str, number: int, nic: Nic) -> None:
    mac, guid = own_mac(nic.oui, f"{path}/{number}"), own_guid(nic.oui, f"{path}/{number}")
    ethernet = nic.medium == "Ethernet"
    s.put(
        f"{path}/NetworkDeviceFunctions/{number}",
        "NetworkDeviceFunction",
        "Network Device Function",
        NetDevFuncType=nic.medium,
        NetDevFuncCapabilities=[nic.medium],
        DeviceEnabled=True,
        Ethernet={"MACAddress": mac, "PermanentMACAddress": mac} if ethernet else None,
        InfiniBand=None if ethernet else {"PortGUID": guid, "NodeGUID": guid},
        Links={"PhysicalNetworkPortAssignment": at(f"{path}/{ports}/{number}")},
        Status=ok(),
    )


def pcie(
    s: Sketch, path: str, *, name: str, maker: str, model: str, gen: str = "Gen5", **fields: Any
) -> str:
    """A PCIe device with one function."""
    s.collect(path.rpartition("/")[0], "PCIeDevice", "PCIe Devices")
    functions = f"{path}/PCIeFunctions"
    device_class = fields.pop("device_class", "NetworkController")
    s.put(
        path,
        "PCIeDevice",
        name,
        DeviceType="SingleFunction",
        Manufacturer=maker,
        Model=model,
        PCIeInterface={"PCIeType": gen, "MaxPCIeType": gen, "LanesInUse": 16, "MaxLanes": 16},
        PCIeFunctions=at(functions),
        Status=ok(),
        **fields,
    )
    s.collect(functions, "PCIeFunction", "PCIe Functions")
    s.put(
        f"{functions}/0",
        "PCIeFunction",
        "PCIe Function",
        FunctionId=0,
        FunctionType="Physical",
        DeviceClass=device_class,
        VendorId="0x10de",
        Links={"PCIeDevice": at(path)},
        Status=ok(),
    )
    return path


def bios(s: Sketch, system: str, attributes: Json, *, registry: str = "BiosAttributes") -> str:
    """BIOS attributes and their staging resource."""
    settings = f"{system}/Bios/Settings"
    s.put(
        f"{system}/Bios",
        "Bios",
        "BIOS Configuration",
        AttributeRegistry=registry,
        Attributes=attributes,
        Actions={
            "#Bios.ResetBios": {"target": uri(f"{system}/Bios/Actions/Bios.ResetBios")},
        },
        **{
            "@Redfish.Settings": {
                "@odata.type": "#Settings.v1_3_5.Settings",
                "SettingsObject": at(settings),
                "SupportedApplyTimes": ["OnReset"],
            }
        },
    )
    s.put(settings, "Bios", "BIOS Staged Settings", AttributeRegistry=registry, Attributes={})
    return f"{system}/Bios"


def secure_boot(s: Sketch, system: str, *, enabled: bool = True) -> str:
    return s.put(
        f"{system}/SecureBoot",
        "SecureBoot",
        "UEFI Secure Boot",
        SecureBootEnable=enabled,
        SecureBootCurrentBoot="Enabled" if enabled else "Disabled",
        SecureBootMode="UserMode",
    )


def ethernet(s: Sketch, system: str, key: str, *, oui: str, mbps: int = 25000) -> str:
    """One host network interface."""
    s.collect(f"{system}/EthernetInterfaces", "EthernetInterface", "Ethernet Interfaces")
    mac = own_mac(oui, f"{system}/{key}")
    return s.put(
        f"{system}/EthernetInterfaces/{key}",
        "EthernetInterface",
        "System Ethernet Interface",
        MACAddress=mac,
        PermanentMACAddress=mac,
        SpeedMbps=mbps,
        LinkStatus="LinkUp",
        Status=ok(),
    )


RESETS = (
    "On",
    "ForceOff",
    "GracefulShutdown",
    "GracefulRestart",
    "ForceRestart",
    "PowerCycle",
    "FullPowerCycle",
    "Nmi",
)


def reset(system: str, resets: Sequence[str] = RESETS) -> Json:
    """The reset action of a system, with what it allows."""
    return {
        "#ComputerSystem.Reset": {
            "target": uri(f"{system}/Actions/ComputerSystem.Reset"),
            "ResetType@Redfish.AllowableValues": list(resets),
        }
    }


def boot(*targets: str, order: int = 0) -> Json:
    """`order` is how many boot options stand in the boot order. Who starts over HTTP says from
    where."""
    return {
        **({"BootOrder": [f"Boot{number:04X}" for number in range(order)]} if order else {}),
        "BootSourceOverrideEnabled": "Disabled",
        "BootSourceOverrideTarget": "None",
        "BootSourceOverrideMode": "UEFI",
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(targets),
        **({"HttpBootUri": None} if "UefiHttp" in targets else {}),
    }
