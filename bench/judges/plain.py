"""Runs a judge without paint: `python plain.py PROGRAM WORDS...`.

Three of the judges write their report as a sheet in colours. Colouring it, cell by cell, costs
several times what judging does, and nobody looks at it: here a cell keeps its value and no style.
"""

from __future__ import annotations

import runpy
import sys

from openpyxl.styles.styleable import StyleDescriptor


def unpainted(descriptor: StyleDescriptor, cell: object, style: object) -> None:
    del descriptor, cell, style


if __name__ == "__main__":
    StyleDescriptor.__set__ = unpainted
    del sys.argv[0]
    runpy.run_path(sys.argv[0], run_name="__main__")
