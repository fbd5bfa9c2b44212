"""Room 4: what good looks like, how nodes depart from it, and change that is safe over thousands.

Judges and planners here are pure; drains and hooks are the only doors to the outside.
"""
