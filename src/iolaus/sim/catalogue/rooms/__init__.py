"""The rooms of the simulator that faults are played in: one module each, listed in `FAULTS`."""
