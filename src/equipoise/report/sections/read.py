"""What was read: which figures stand on all rows, which on the sample, and why that is honest."""

from __future__ import annotations

from equipoise.report.findings_read import ReadFindings
from equipoise.report.formatting import share
from equipoise.report.parts import Section, Table, Words
from equipoise.report.view import View

ALL, JUDGED, SAMPLE = "all rows", "rows outside the sample", "the sample"
EITHER = ("missing values", "balance")  # checks of all rows, or of the sample
STANDS = (
    ("average effects", ALL),
    ("value, cost and rivals of the policy, groups, who gets what", JUDGED),
    ("the order of predicted effects, tenths and slopes", JUDGED),
    ("prices, what the demands use, the certificate", JUDGED),
    ("models", SAMPLE),
    ("other budgets and weights, segments, curves, drivers, the explorer", SAMPLE),
    ("trees that tell arms apart, leaks, what an unmeasured cause could do", SAMPLE),
)


def what_was_read(view: View, read: ReadFindings) -> Section:
    """The section of a run that learnt from a sample."""
    part, left = share(read["sample"] / read["rows"]), read.get("left", 0)
    answer = (
        f"All {read['rows']:,} rows were read. Models were learnt from {read['sample']:,} of them"
        f" ({part}); {'' if left else 'the other '}{read['judged']:,} judge."
    )
    if left:
        answer += f" {left:,} are not of the people whom the answer is for."
    why = (
        f"The sample was drawn by a hash of {read['drawn_by']}, so neither its order nor what"
        " happened decided who is in it. No model and no price saw an outcome of the other rows"
        " (prices look at what the model says of them alone), so their outcomes tell what the rule"
        " that ships is worth, as new people's would. Average effects count the sample's rows too,"
        " each by models that never saw it."
    )
    how = (
        f"Intervals are by sums over {read['blocks']:,} random groups of units, in which clusters"
        " stay whole. Predicted effects are ordered in bins, which may take"
        f" about {share(read['binning'])} off a Qini."
    )
    if read.get("learnt"):
        how += (
            " How probable each arm was had to be learnt from the sample; what values and rankings"
            " may be off by for that, measured between parts of the sample, is in their intervals,"
            " and does not fall with the rows that judge: a larger learn_rows makes it smaller."
        )
    of_sample = [name for name in EITHER if name in read.get("of_sample", ())]
    of_all = ["types, ranges, ids, sizes of arms", *(n for n in EITHER if n not in of_sample)]
    rows = [[", ".join(of_all), ALL], *([what, on] for what, on in STANDS)]
    rows += [[name, SAMPLE] for name in of_sample]
    table = Table("What the figures stand on", ["figure", "rows"], rows, (0, 1))
    return Section(
        "read", "What was read", "What was read?", answer, [Words(why), table, Words(how)]
    )
