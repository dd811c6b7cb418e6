"""What a run read that learnt from a sample of its log and judged by the other rows."""

from __future__ import annotations

from typing import NotRequired, TypedDict


class ReadFindings(TypedDict):
    """What was read.   rows : of the log;  sample : of them that models and prices were learnt
    from;  judged : the others, whose outcomes chose nothing;  drawn_by : in words;  partitions :
    of the log;  blocks : random groups behind intervals;  binning : the largest part of a Qini
    that bins of predictions may have taken off;  learnt : whether intervals of values hold the
    error of learning the propensity from the sample;  left : rows that the answer is not for;
    of_sample : the checks that the sample tells.
    """

    rows: int
    sample: int
    judged: int
    drawn_by: str
    partitions: int
    blocks: int
    binning: float
    learnt: NotRequired[bool]
    left: NotRequired[int]
    of_sample: NotRequired[list[str]]
