"""A hall without a stepped plant, shared out over processes: see `serve`."""
