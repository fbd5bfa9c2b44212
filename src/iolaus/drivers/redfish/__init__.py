"""The generic Redfish driver: every standard device class, no vendor's name."""

from iolaus.drivers.redfish.driver import RedfishDriver

__all__ = ["RedfishDriver"]
