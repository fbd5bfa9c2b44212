"""Gear on a Modbus bus: shelves, batteries and coolant units as assets with readings."""

from iolaus.drivers.modbus.driver import ModbusDriver, NoReads

__all__ = ["ModbusDriver", "NoReads"]
