"""Writing to devices: one small file per capability, all on the same few ways of asking.

Each function reads what it is about to change, writes once, and says what the device took. None
waits, repeats or reads back: whether it came true is the business of whoever asked.
"""

from iolaus.drivers.redfish.write.writing import Writing as Writing
