"""What the sections on strata call things, and the units they count in."""

from __future__ import annotations

from equipoise.core.strata import STRATA
from equipoise.report.formatting import GLUE, Unit
from equipoise.report.plots import OKABE_ITO
from equipoise.report.view import View

PEOPLE = {
    "never_buyer": "never buy",
    "never_taker": "buy anyway, ignore the offer",
    "coupon_taker": "take the offer, do not buy",
    "coupon_buyer": "buy only with the offer",
    "always_buyer": "buy anyway, take the offer",
    "harm": "are put off by claiming",
    "direct_gain": "buy at the sight of the offer",
    "direct_loss": "are put off by its sight",
}
COLOURS = dict(
    zip(STRATA, ("#8a9099", OKABE_ITO[5], OKABE_ITO[1], OKABE_ITO[2], OKABE_ITO[3]), strict=True)
)
SHARE = Unit(100.0, "%", f"{GLUE}pp", "share of people, %")
NOTHING = 1e-6  # a share below this is rounding


def percent(interval: list[float]) -> str:
    """A share; an estimate below 0 is none, and so is one that no interval tells from 0 by a
    millionth.
    """
    if max(map(abs, interval)) < NOTHING:
        return "0%"
    return SHARE.of_level([max(interval[0], 0.0), *interval[1:]])


def reward_unit(view: View) -> Unit:
    """The unit of rewards: the currency, or units of reward."""
    currency = view.findings["currency"]
    behind = f"{GLUE}{currency}" if currency else ""
    return Unit(1.0, behind, behind, currency or "units of reward")
