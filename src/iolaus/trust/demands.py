"""What policies demand of an appraisal, as the rules that it is judged by. Pure.

Demands only add up: of several policies the strictest counts, and none makes less of what is
demanded anyway.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from iolaus.model.desired import seconds_of
from iolaus.model.policy import Policy
from iolaus.trust.appraise import Rules
from iolaus.trust.floors import Floor


def rules_of(policies: Iterable[Policy], usual: Rules) -> Rules:
    """What policies demand of appraisals, together: the strictest of each, and of `usual`."""
    demands = [each.spec.require for each in sorted(policies, key=lambda p: p.name)]
    ages = [seconds_of(each.max_age) for each in demands if each.max_age is not None]
    floors = (
        Floor(least=f.least, part=f.part, component=f.component, index=f.index)
        for each in demands
        for f in each.svn
    )
    return msgspec.structs.replace(
        usual,
        max_age_s=min([usual.max_age_s, *ages]),
        secure_boot=usual.secure_boot or any(each.secure_boot for each in demands),
        floors=tuple(dict.fromkeys((*usual.floors, *floors))),
    )
