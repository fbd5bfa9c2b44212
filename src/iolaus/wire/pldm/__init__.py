"""PLDM for Firmware Update packages (DMTF DSP0267 1.0 to 1.3): who they are for, what they hold."""

from iolaus.wire.pldm.match import match as match
from iolaus.wire.pldm.package import ComponentImage as ComponentImage
from iolaus.wire.pldm.package import Descriptor as Descriptor
from iolaus.wire.pldm.package import DeviceRecord as DeviceRecord
from iolaus.wire.pldm.package import Package as Package
from iolaus.wire.pldm.package import PackageMalformed as PackageMalformed
from iolaus.wire.pldm.parse import parse_package as parse_package
