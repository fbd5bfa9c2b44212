"""Drains: taking a node out of service before it is touched, and giving it back afterwards.

Whoever runs jobs on a node is asked through a small port, `iolaus.fleet.drain.port.Drains`; the
adapters (Kubernetes, Slurm by command or by REST, a webhook, a person) are opened from settings by
`iolaus.fleet.drain.settings.open_drains`. A node in a job is never touched undrained, what cannot
be told is never drained, and undoing undoes only what we did.
"""
