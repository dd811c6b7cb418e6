"""What an operator does: the kill switch, overrides, prices and shares; all workers follow within
half a second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from equipoise.serving.engine.asked import check_text
from equipoise.serving.engine.controls import Control, set_override, set_shares
from equipoise.serving.engine.engine import Engine
from equipoise.serving.engine.part import priced


def kill(engine: Engine, on: bool) -> Control:
    """Give everybody control, or stop doing so.

    Parameters
    ----------
    engine : Engine
        Of any worker.
    on : bool
        Which.

    Returns
    -------
    Control
        What is set now.
    """
    return _change(engine, lambda old: msgspec.structs.replace(old, kill=on))


def override(engine: Engine, unit: str, cell: str | None) -> Control:
    """Set what one unit gets.

    Parameters
    ----------
    engine : Engine
        Of any worker.
    unit : str
        Whom.
    cell : str or None
        Control's name or a candidate's; None: what the policy says.

    Returns
    -------
    Control
        What is set now.

    Raises
    ------
    InputError
        Where the policy has no such cell.
    """
    check_text(unit, "unit")
    if cell is not None:
        engine.now.live.place(cell, "an override")
    return _change(engine, lambda old: set_override(old, unit, cell))


def set_prices(engine: Engine, prices: Mapping[str, float] | None) -> Control:
    """Set prices of the live snapshot's demands.

    Parameters
    ----------
    engine : Engine
        Of any worker.
    prices : mapping of str to float, or None
        By demand, in worth per unit of usage; None: those of the snapshot.

    Returns
    -------
    Control
        What is set now.

    Raises
    ------
    InputError
        Where a name is no demand's, or a price is below 0.
    """
    live = engine.now.live
    if prices is not None:
        priced(live.policy, prices)

    def do(old: Control) -> Control:
        others = {id: own for id, own in old.prices.items() if id in engine.now.parts}
        others.pop(live.id, None)
        if prices is not None:
            others[live.id] = {**old.prices.get(live.id, {}), **prices}
        return msgspec.structs.replace(old, prices=others)

    return _change(engine, do)


def change_shares(engine: Engine, shares: Mapping[str, float]) -> Control:
    """Set the shares of the holdout, of the candidate snapshot, or of exploration.

    Parameters
    ----------
    engine : Engine
        Of any worker.
    shares : mapping of str to float
        By `SHARES`, in [0, 1]; the others stay.

    Returns
    -------
    Control
        What is set now.

    Raises
    ------
    InputError
        Where a name or a share is wrong.
    """
    return _change(engine, lambda old: set_shares(old, dict(shares)))


def _change(engine: Engine, do: Callable[[Control], Control]) -> Control:
    control = engine.shared.controls.change(do)
    engine.take_controls()
    return control
