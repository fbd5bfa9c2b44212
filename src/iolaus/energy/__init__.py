"""Room 3: power, heat and leaks held in closed loop, close to what draws, cools and leaks.

The centre shares out what the plant can carry, the edge of a rack holds its share, and reflexes
take power away. All three are values in and values out, with time as an argument: what a bench
drives in virtual time is what runs in a hall.
"""
