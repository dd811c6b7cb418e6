"""Who should get the women's e-mail?  Hillstrom's experiment with the visit as claim and the purchase as outcome.

Run it with:   python examples/hillstrom_strata.py

A visit without the e-mail is no claim of it, so a claim is a visit of a customer who got the e-mail.  Assumed: a purchase brings
20 USD, and a visit after the e-mail costs 0.50 USD, which is paid when the offer is claimed.
"""

import warnings

import numpy as np
import pyarrow as pa

from equipoise.core.strata import AssumptionWarning, Scheme
from equipoise.data import fetch_hillstrom, read_log
from equipoise.estimators.strata import CFDR
from equipoise.pipeline.incentive import Terms, incentive_findings
from equipoise.treatments import Arms

MAIL = "Womens E-Mail"


def main() -> None:
    """Print what the experiment says."""
    whole = fetch_hillstrom()
    table = whole.table.filter(pa.array(np.isin(whole.cells, (0, 2))))
    mailed = np.asarray(table["segment"].to_pylist(), dtype=object) == MAIL
    table = table.set_column(table.column_names.index("visit"), "visit", pa.array(table["visit"].to_numpy() * mailed))
    log = read_log(
        table,
        treatment="segment",
        space=Arms(["No E-Mail", MAIL]),
        outcomes=["conversion"],
        claimed="visit",
        features=whole.roles.features,
        design=(0.5, 0.5),
    )
    terms = Terms(Scheme("click", (0, 0, 1, 1)), gain=19.5, cost=0.5, share=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AssumptionWarning)  # nobody buys without a visit: said below
        found = incentive_findings(log, CFDR(), terms, segment=log.table["newbie"].to_pylist())
    print(f"{len(log):,} customers, half of them mailed. Nobody buys without a visit, so there are no never takers.")
    for line in found["audience"]:
        print(line["words"])
    low, high = found["value"]["estimate"][1:]
    print(f"Mailing the best 30 % brings {found['value']['estimate'][0]:.3f} USD a customer ({low:.3f} to {high:.3f}),")
    print(f"with 95 % at least {found['value']['lower']:.3f}.")
    for rival in found["rivals"]:
        gain = rival["policy_gains"]
        print(f"Against {rival['name']}: {gain[0]:+.3f} USD ({gain[1]:+.3f} to {gain[2]:+.3f}).")
    for test in found["restrictions"]:
        verdict = "fails" if test["violated"] else "holds"
        print(f"{test['assumption']} ({test['restriction']}) {verdict}: least z {test['least_z']:.1f}.")


if __name__ == "__main__":
    main()
