"""IPMI 2.0 over the network, as much of it as a serial line needs (RMCP+ and SOL).

Written here and not taken from a library: a line must acknowledge what it was sent only when that
is kept, which is what makes a recording whole, and the libraries that are kept well acknowledge
on receipt, in threads with a loop of their own.
"""
