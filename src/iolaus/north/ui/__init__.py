"""The web pages: hall map, rack elevation, one thing, and a table twin of the map."""

from iolaus.north.ui.routes import routes

__all__ = ["routes"]
