"""The linear-programming bound by HiGHS: the oracle that the dual is tested against, for small
problems.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linprog

from equipoise.allocation.solver.dual import Dual
from equipoise.allocation.solver.problem import Problem
from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError

LARGEST = 1_000_000  # n * k


def usage_matrix(problem: Problem) -> Floats:
    """What every unit and candidate uses of every row, (m, n * k)."""
    rows = problem.rows
    n, k = problem.value.shape
    usage = np.empty((len(rows), n * k))
    for r, q in enumerate(rows.quantity.tolist()):
        quantity = (
            np.ones((n, k))
            if q == 0
            else problem.cost
            if q == 1
            else problem.cube[:, :, problem.columns[q - 2]]
        )
        usage[r] = (rows.coefficient[r][rows.codes] * quantity).ravel()
    return usage


def one_each(n: int, k: int) -> sp.csr_array:
    """The rows that sum each unit's candidates, (n, n * k)."""
    return sp.csr_array(
        (np.ones(n * k), np.arange(n * k), np.arange(0, n * k + 1, k)), shape=(n, n * k)
    )


def solve_exactly(problem: Problem) -> Dual | None:
    """Prices and bound by HiGHS; None if the demands cannot hold together."""
    n, k = problem.value.shape
    if n * k > LARGEST:
        raise InputError(
            "method 'highs'", f"be used for n * k <= {LARGEST}", n * k, fix="use method='auto'"
        )
    matrix = sp.vstack([sp.csr_array(usage_matrix(problem)), one_each(n, k)], format="csr")
    right = np.concatenate([problem.rows.bounds, np.ones(n)])
    program = linprog(
        -problem.value.ravel(), A_ub=matrix, b_ub=right, bounds=(0, None), method="highs"
    )
    if program.x is None:
        return None
    prices = np.maximum(-program.ineqlin.marginals[: len(problem.rows)], 0.0)
    height, _, _ = problem.evaluate(prices)
    return Dual(prices, height, -float(program.fun), (("highs", n, int(program.nit), height),))
