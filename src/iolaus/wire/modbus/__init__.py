"""Modbus as a client: addresses, register maps as data, and a bus that is read on time."""
