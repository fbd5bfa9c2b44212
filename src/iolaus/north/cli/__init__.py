"""The command line: kubectl's verbs and flags over the public REST API.

Data goes to standard output, everything else to standard error; no traceback ever reaches a
person; the exit code tells whose turn it is. What needs the whole house (`up`, `serve`, `sim`,
`inspect`, `capture`, `doctor`) is handed in by the composition root.
"""

from iolaus.north.cli.build import Commands, build_cli, run_cli

__all__ = ["Commands", "build_cli", "run_cli"]
