"""A machine that is to stay off: what says that it is, and what a person reads where it is not."""

from __future__ import annotations

import itertools

from iolaus.model.reach import Controller, NodeSight, OutletSight
from iolaus.recovery.holding import dark, held_off, not_held, outlets_said, state_of


def sight(controller: Controller, on: bool | None, *outlets: bool | None) -> NodeSight:
    cords = tuple(OutletSight(name=f"pdu{n}/7", on=each) for n, each in enumerate(outlets, 1))
    return NodeSight(uid="u", name="n", controller=controller, on=on, outlets=cords)


def test_it_is_held_off_by_its_controllers_word_or_by_all_its_outlets_and_by_nothing_else() -> None:
    states = (True, False, None)
    cords = [(), *itertools.product(states), *itertools.product(states, repeat=2)]
    for controller, on, outlets in itertools.product(Controller, states, cords):
        seen = sight(controller, on, *outlets)
        off = bool(outlets) and set(outlets) == {False}
        said = controller is Controller.ANSWERS and on is False
        assert held_off(seen) == (off or said), seen
        assert dark(seen.outlets) == off
        why, told, need = not_held(seen).partition(". A person is needed: ")
        assert why
        assert told
        assert all(each.name in why and each.name in need for each in seen.outlets)


def test_a_person_reads_what_the_controller_says_and_which_outlets_are_what() -> None:
    found = not_held(sight(Controller.ANSWERS, True))
    assert "its controller says that it runs; which outlets feed it nobody wrote" in found
    assert "pull its cords and its network by hand" in found
    found = not_held(sight(Controller.SILENT, None, True, None, True))
    assert found.startswith("whether its host runs is not known")
    assert "outlets pdu1/7 and pdu3/7 are on, outlet pdu2/7 is not to be read" in found
    assert "pull its cords at pdu1/7 and pdu2/7 and pdu3/7" in found


def test_outlets_are_of_one_state_mixed_or_not_known() -> None:
    def state(*outlets: bool | None) -> str | None:
        return state_of(sight(Controller.SILENT, None, *outlets).outlets)

    assert [state(), state(None, True), state(True, False)] == [None, None, "Mixed"]
    assert [state(True, True), state(False)] == ["On", "Off"]
    assert outlets_said(sight(Controller.SILENT, None, False).outlets) == "outlet pdu1/7 is off"
