"""Firmware of simulated machines: packages, flash, banks, activation, and what goes wrong."""
