"""Room 1: every vendor's dialect behind small capability ports, through one lane per device."""
