"""Nodes brought back from everything that the issue of a hall is: see `__main__`."""
