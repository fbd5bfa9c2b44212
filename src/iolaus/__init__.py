"""Iolaus: the open, out-of-band control plane for AI data halls."""

__version__ = "0.1.0"
