"""HTTP clients side by side: the same requests over the same transport port, one TLS server.

Each candidate implements `wire.redfish.port.Transport`; the product's own is one of them. Losers
live here only, so that the choice (ADR 0002) can be measured again whenever it is doubted.
"""
