"""Repairs for controllers of this maker; see README.md."""
