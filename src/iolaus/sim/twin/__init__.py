"""The physics behind the devices of a hall: see `serve`."""
