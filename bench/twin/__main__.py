"""`python -m bench.twin WORD [ARGS]`: runs the module of that name in this folder.

physics            milliseconds per step and memory of halls of 10,240 and 102,400 nodes
serve              start, held TLS connections, GETs a second and memory of a served hall
pace [NODES...]    how much faster than real time a hall's virtual time goes
plots DIR          the pictures of docs/physics.md
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

WORDS = sorted(p.stem for p in Path(__file__).parent.glob("*.py") if not p.stem.startswith("_"))


def main(words: list[str]) -> int:
    if not words or words[0] not in WORDS:
        print(__doc__)
        return 2
    result: int = import_module(f"bench.twin.{words[0]}").main(words[1:])
    return result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
