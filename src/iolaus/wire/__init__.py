"""Protocols: sans-I/O cores and one-method transports. Knows no fleet."""
