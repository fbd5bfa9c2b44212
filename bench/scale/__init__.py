"""How a hall of many processes grows: `python -m bench.scale WORD` (see `__main__`)."""
