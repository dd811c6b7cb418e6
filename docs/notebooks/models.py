# %% [markdown]
# # Models side by side, yours among them
#
# You have a model of uplift already: two regressions by hand, or something from EconML or
# causalml.  It needs no rewriting to be compared, and none to be given a budget.  All that is
# asked of it is a number per customer and arm, for customers that it did not learn from.

# %%
import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingRegressor

import equipoise as eq

rng = np.random.default_rng(13)
n = 8_000
X = rng.normal(size=(n, 4))
treatment = rng.integers(0, 2, n)
spend = 10 + 3 * X[:, 0] + 2 * treatment * np.maximum(X[:, 1], 0) + 4 * rng.normal(size=n)
names = ["a", "b", "c", "d"]
columns = dict(zip(names, X.T, strict=True))
log = eq.read_log(
    pa.table({**columns, "arm": np.where(treatment, "mail", "none"), "spend": spend}),
    treatment="arm",
    space=eq.Arms(["none", "mail"]),
    outcomes={"spend": {"kind": "continuous", "unit": "EUR"}},
    features=names,
    design=[0.5, 0.5],
)

# %% [markdown]
# ## Two models by hand
#
# One half teaches, the other judges.  (With causalml these lines would be
# `BaseTRegressor(...).fit_predict`, with EconML `TLearner(models=...).effect`; both give the same
# column of numbers.)

# %%
learn = np.arange(n) < n // 2
judge = ~learn
model = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=8, random_state=0)
level = [
    model.fit(X[learn & (treatment == t)], spend[learn & (treatment == t)]).predict(X[judge])
    for t in (0, 1)
]
by_hand = pa.table({"mail": level[1] - level[0]})

# %% [markdown]
# ## Ours, on the same rows

# %%
trees = eq.BoostedTrees(n_estimators=60, num_leaves=8)
ours = {
    "x-learner": eq.XLearner(trees, trees),
    "dml": eq.LinearDML(),
}
predicted = {
    name: learner.fit(X[learn], spend[learn], treatment=treatment[learn]).predict(X[judge])
    for name, learner in ours.items()
}

# %% [markdown]
# ## One call
#
# The first is what the others are held against.  Rankings (Qini, AUTOC) ask who comes first; the
# doubly robust loss asks how near the numbers are.  A difference is told only where the p-value
# holds among all differences of the call.

# %%
held = log.take(np.flatnonzero(judge))
eq.compare({"by hand": by_hand, **predicted}, held)

# %% [markdown]
# ## What are the scores worth?
#
# A ranking is no decision.  Give the same frame to `honest_policy`: within a budget, with a
# certificate and an interval.

# %%
effects = eq.Effects.from_frame(by_hand, metric="spend")
policy = eq.honest_policy(held, effects=effects, cost=0.60, paid="always")
policy

# %% [markdown]
# ## Names that changed
#
# | there | here |
# |---|---|
# | `fit(X, w, y)`, `fit(Y, T, X=X)`, `fit(X, y, treat)` | `fit(X, y, treatment=t)` everywhere |
# | `effect(X)`, `predict(X)` | `predict(X)`; `effects(X)` with names, units and errors |
# | a base learner per model | `eq.BoostedTrees(...)` or any regression of scikit-learn |
#
# [Coming from elsewhere](../migrate.md) has the whole list.
