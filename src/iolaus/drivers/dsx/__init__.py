"""The driver of a building's broker: its points as readings, with quality and age."""

from iolaus.drivers.dsx.driver import DsxDriver

__all__ = ["DsxDriver"]
