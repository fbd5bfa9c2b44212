"""The physics of a simulated hall: see `plant`."""
