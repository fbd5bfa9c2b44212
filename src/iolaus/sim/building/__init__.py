"""The building side of a simulated hall, on the protocols buildings speak: see `serve`."""
