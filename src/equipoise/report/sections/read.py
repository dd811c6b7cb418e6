"""What was read: which figures stand on all rows, which on the sample, and why that is honest."""

from __future__ import annotations

from equipoise.report.findings_read import ReadFindings
from equipoise.report.formatting import share
from equipoise.report.parts import Section, Table, Words
from equipoise.report.view import View

ALL, JUDGED, SAMPLE = "all rows", "rows outside the sample", "the sample"
STANDS = (
    ("types, ranges, missing values, ids, sizes of arms, balance", ALL),
    ("average effects", ALL),
    ("value, cost and rivals of the policy, groups, who gets what", JUDGED),
    ("the order of predicted effects, tenths and slopes", JUDGED),
    ("effects and choices of the rows outside the sample, by the rule that ships", JUDGED),
    ("models, prices and the certificate", SAMPLE),
    ("other budgets and weights, segments, curves, drivers, the explorer", SAMPLE),
    ("trees that tell arms apart, leaks, what an unmeasured cause could do", SAMPLE),
)


def what_was_read(view: View, read: ReadFindings) -> Section:
    """The section of a run that learnt from a sample."""
    part = share(read["sample"] / read["rows"])
    answer = (
        f"All {read['rows']:,} rows were read. Models and prices were learnt from"
        f" {read['sample']:,} of them ({part}); the other {read['judged']:,} judge."
    )
    why = (
        f"The sample was drawn by a hash of {read['drawn_by']}, so neither its order nor what"
        " happened decided who is in it. No model and no price saw an outcome of the other rows:"
        " their outcomes tell what the rule that ships is worth, as new people's would. Average"
        " effects count the sample's rows too, each by models that never saw it."
    )
    how = (
        f"Intervals are by sums over {read['blocks']:,} random groups of units, in which clusters"
        " stay whole. Predicted effects are ordered in bins, which may take"
        f" {share(read['binning'])} off a Qini at most."
    )
    rows = [[what, on] for what, on in STANDS]
    table = Table("What the figures stand on", ["figure", "rows"], rows, (0, 1))
    return Section(
        "read", "What was read", "What was read?", answer, [Words(why), table, Words(how)]
    )
