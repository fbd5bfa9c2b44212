"""Simulated devices and halls, a product of its own; shares no code with what it tests."""
