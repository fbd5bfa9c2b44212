"""Onboarding as a house has it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from iolaus.app.onboarding import EVERY_S, GATHER_S, Onboarding
from iolaus.app.onboarding_ironic import Ironic
from iolaus.app.onboarding_moves import Moves
from iolaus.app.onboarding_seeing import Seeing
from iolaus.app.retiring import Retiring

if TYPE_CHECKING:
    from iolaus.app.house import House


class Tempo(msgspec.Struct, frozen=True, kw_only=True):
    """`every_s`: how often candidates are looked at; `gather_s`: those that come to a stage within
    this share a plan."""

    every_s: float = EVERY_S
    gather_s: float = GATHER_S


def house_onboarding(house: House) -> Onboarding:
    state, tempo = house.state, house.options.onboarding

    seeing = Seeing(
        state=state,
        ledger=house.ledger,
        credential_of=house.credential_fact,
        authorities=state.authorities.known,
        attested=house.attesting.ledger.attested,
    )
    ironic = Ironic(state=state, credential_of=house.credential_of)
    moves = Moves(
        state=state,
        seeing=seeing,
        rolling=house.rolling,
        clock=house.clock,
        probe=house.sight.probe,
        begin=house.collector.begin,
        keep=partial(house.collector.begin, spread=True),
        enrol=ironic,
    )
    retiring = Retiring(
        state=state,
        rolling=house.rolling,
        clock=house.clock,
        sign=house.checkpoints.sign,
        let_go=seeing.forget,
    )
    return Onboarding(
        state=state,
        bus=house.bus,
        clock=house.clock,
        rolling=house.rolling,
        ledger=house.ledger,
        seeing=seeing,
        moves=moves,
        begin=house.collector.begin,
        handed=ironic.handed,
        retiring=retiring,
        every_s=tempo.every_s,
        gather_s=tempo.gather_s,
    )
