"""The judge of the energy room: scenarios, baselines, scores.

A scenario is a number. From it follow the hall, its work, what befalls it and which breaker curve
its gear has, and its name says so. Every controller meets the same scenario over the same modelled
instruments (delayed, quantised, noisy, stale, silent) and the same slow limits; what is judged is
what the plant really did. `controllers` is the seam: whoever ticks and gives caps can be judged.
"""
