"""Roots of trust of simulated machines: SPDM responders and TPMs. See docs/roots-of-trust.md."""
