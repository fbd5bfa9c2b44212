"""Judges that nobody here wrote: the standard body's own validators, run on simulated machines.

A simulator checked only by those who wrote it agrees with their misunderstandings. So each healthy
persona stands before four programs of the DMTF over the real wire, TLS and all: the service
validator (every property of every resource against the schemas), the protocol validator (what the
specification says of HTTP), the use case checkers (accounts, power, boot, ports, queries) and the
interop validator (the OCP's and OpenStack's profiles that fit the kind of machine).

`python -m bench judges` runs all of them on all personas and writes `docs/conformance.md`; the
suite runs a few of each. What a judge holds against a machine on purpose, or where a judge errs,
stands in `excused` with its reason; nothing else may fail.
"""
