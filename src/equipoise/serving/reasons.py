"""Why a unit got what it got: a code for machines, and words for people."""

from __future__ import annotations

from typing import NamedTuple


class Reason(NamedTuple):
    """One reason.

    Attributes
    ----------
    code : int
        Of a log record; it never changes.
    name : str
        Of an answer.
    text : str
        For people.

    Examples
    --------
    >>> REASONS["lot"].code
    2
    """

    code: int
    name: str
    text: str


REASONS = {
    name: Reason(code, name, text)
    for code, (name, text) in enumerate(
        {
            "best_score": "this candidate scores highest, and above the threshold",
            "below_threshold": "no candidate scores above the threshold, so control",
            "lot": "drawn at random by the unit's id",
            "holdout": "the unit is in the holdout, which always gets control",
            "explored": "drawn to explore, whatever the scores say",
            "override": "an operator set what this unit gets",
            "killed": "the kill switch is on: everybody gets control",
            "not_eligible": "no candidate is open to this unit, so control",
            "cadence": "the unit keeps what it has until its next decision is due",
            "budget": "what the candidate may cost is not left in the budget, so control",
            "unknown_unit": "nothing is known of this unit, so control",
            "store_timeout": "the store did not answer in time, so control",
            "model_error": "the model gave no effects for these features, so control",
            "log_unavailable": "the decision could not be logged, so control",
        }.items()
    )
}
BY_CODE = tuple(REASONS.values())
