"""All that a decision hangs on beside the request, as one object that is never changed: the next
one takes its place by one assignment, so no decision sees half of a change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from equipoise.core.errors import EquipoiseError, InputError
from equipoise.serving.config import ServeConfig
from equipoise.serving.engine.chance import Shares, shares_of
from equipoise.serving.engine.controls import Control
from equipoise.serving.engine.part import Part, ServedSnapshot
from equipoise.serving.machine import boot_id, versions
from equipoise.serving.records import Context

NO_PRICES: Mapping[str, float] = {}


class InForce:
    """What is in force.

    Parameters
    ----------
    live : ServedSnapshot
        The snapshot that answers.
    candidate : ServedSnapshot or None
        The one that shares the traffic.
    shadows : sequence of ServedSnapshot
        Those that decide beside.
    config : ServeConfig
        Of the service.
    control : Control
        What an operator set; prices that fit no snapshot here are left out, with a note in
        ``trouble``.
    seed : int
        Of the service's own draws.
    paced : mapping of str to float, default {}
        Prices of the live snapshot's demands that follow the spend; an operator's come before them.

    Raises
    ------
    InputError
        Where the candidate snapshot has other cells than the live one.
    """

    def __init__(
        self,
        live: ServedSnapshot,
        candidate: ServedSnapshot | None,
        shadows: Sequence[ServedSnapshot],
        config: ServeConfig,
        control: Control,
        seed: int,
        paced: Mapping[str, float] = NO_PRICES,
    ) -> None:
        self.loaded = (live, candidate, tuple(shadows))
        self.trouble: list[str] = []
        self.live = self._part(live, control, paced)
        self.candidate = None if candidate is None else self._part(candidate, control)
        self.shadows = tuple(self._part(one, control) for one in shadows)
        if self.candidate is not None and self.candidate.cells != self.live.cells:
            fix = "publish it as the live one, or as a shadow"
            must = f"have the cells of the live one, {', '.join(self.live.cells)}"
            got = ", ".join(self.candidate.cells)
            raise InputError("a snapshot that shares the traffic", must, got, fix=fix)
        self.control = control
        self.serving = (self.live,) if self.candidate is None else (self.live, self.candidate)
        self.overrides = self._overrides(control.overrides)
        self.alone = self.candidate is None and not self.shadows
        self.quick = all(part.quick for part in (*self.serving, *self.shadows))
        self.parts = {
            part.id: part for part in (*self.shadows, self.candidate, self.live) if part is not None
        }
        self.context = self._context(config, seed)
        self.shares: Shares = shares_of(self.context, len(self.live.cells) - 1)

    def begun(self, number: int) -> None:
        """Take the number that the log gave the context."""
        self.context = msgspec.structs.replace(self.context, number=number)

    def same_context(self, other: InForce | None) -> bool:
        """Whether the log needs no new context after another one."""
        if other is None:
            return False
        mine, theirs = (
            msgspec.structs.replace(one.context, number=0, ns=0) for one in (self, other)
        )
        return mine == theirs

    def _part(
        self, loaded: ServedSnapshot, control: Control, paced: Mapping[str, float] = NO_PRICES
    ) -> Part:
        prices = {**paced, **control.prices.get(loaded.id, {})}
        try:
            return Part(loaded, prices)
        except EquipoiseError as error:
            if not prices:
                raise
            self.trouble.append(str(error))
            return Part(loaded)

    def _overrides(self, named: Mapping[str, str]) -> dict[str, int]:
        places = self.live.places
        for cell in sorted(set(named.values()) - set(places)):
            self.trouble.append(f"an override names no cell of the policy: {cell!r}")
        return {unit: places[cell] for unit, cell in named.items() if cell in places}

    def _context(self, config: ServeConfig, seed: int) -> Context:
        live, set_to = self.live, self.control.shares
        policy, k = live.policy, len(live.cells) - 1
        beside = (self.candidate, *self.shadows)
        return Context(
            0,
            0,
            config.policy,
            live.id,
            "" if self.candidate is None else self.candidate.id,
            tuple(part.id for part in self.shadows),
            live.price_bytes,
            np.array(policy.low_prices, "<f8").tobytes(),
            np.array(policy.weights, "<f8").tobytes(),
            seed,
            0.0 if self.candidate is None else set_to.get("share", config.share),
            set_to.get("holdout", config.holdout),
            set_to.get("explore", config.explore),
            np.full(k + 1, 1 / (k + 1), "<f8").tobytes(),
            versions(),
            boot_id(),
            live.cells,
            tuple(part.price_bytes for part in beside if part is not None),
        )
