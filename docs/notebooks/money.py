# %% [markdown]
# # Money decides
#
# A mail lifts sales.  That is not yet a reason to send it: it costs something, and most who buy
# would have bought anyway.  This page takes a promotion that everybody calls a success, and asks
# what is left when it is paid for.

# %%
import numpy as np
import pyarrow as pa

import equipoise as eq

rng = np.random.default_rng(3)
n = 20_000
visits, loyal = rng.poisson(3, n), rng.random(n) < 0.3
sent = rng.random(n) < 0.5
lift = np.where(loyal, 0.00, 0.012 * np.minimum(visits, 5))
sale = rng.random(n) < 0.04 + 0.10 * loyal + lift * sent
history = pa.table(
    {
        "campaign": np.where(sent, "voucher", "none"),
        "visits": visits,
        "loyal": loyal,
        "sale": sale.astype(int),
    }
)
log = eq.read_log(
    history,
    treatment="campaign",
    space=eq.Arms(["none", "voucher"]),
    outcomes={"sale": eq.Outcome("sale", "binary", worth=40.0)},
    features=["visits", "loyal"],
    design=[0.5, 0.5],
)
trees = eq.BoostedTrees(n_estimators=40, num_leaves=6, min_child_samples=100)
learner = eq.XLearner(trees, trees)
effects = eq.cross_fit_effects(log, learner)

# %% [markdown]
# ## Without a price
#
# Say nothing of costs, and the policy makes sales as many as it can: nearly everybody gets a
# voucher.

# %%
free = eq.honest_policy(log, effects=effects)
free

# %% [markdown]
# ## With one
#
# A sale is worth 40 (we said so: `worth`), a voucher costs 1.20 to send, taken or not.  As soon as
# a metric is money and offers cost something, the objective is net of cost.  `net` is now among
# the values, and an offer that is not expected to bring more than it costs is not made.

# %%
paid = eq.honest_policy(log, effects=effects, cost=1.20, paid="always")
paid

# %% [markdown]
# Fewer vouchers, about the same sales: those who were dropped would have bought anyway.  Put the
# two side by side, with everybody and nobody.  Differences are paired, row by row, so they are
# known better than the values themselves.

# %%
eq.compare(
    {
        "net of cost": paid,
        "as many sales as can be": free,
        "everybody": "voucher",
        "nobody": "none",
    },
    log,
    cost=1.20,
    paid="always",
    weights={"sale": 1.0},
)

# %% [markdown]
# ## When nothing pays
#
# Make the voucher dear, and the honest answer is nobody.  It is among the choices from the start,
# so no budget has to be set to find it.

# %%
dear = eq.honest_policy(log, effects=effects, cost=6.0, paid="always")
print(dear.verdict, dear.shares)

# %% [markdown]
# ## With a budget, too
#
# A budget says how much may be spent, the price of it what the last unit of money brought: above
# 1, more money would still pay; where the demand does not bind, the policy stopped by itself
# before the money was gone.

# %%
for budget in (0.1, 0.3, 0.5, 0.8):
    within = eq.honest_policy(log, effects=effects, cost=1.20, paid="always", budget=budget)
    (demand,) = within.demands
    net, low, high = within.values["net"]
    print(
        f"budget {budget:.2f} a head: spends {within.spend[0]:.2f}, nets {net:.2f}"
        f" ({low:.2f} to {high:.2f}), {'binds' if demand['binding'] else 'idle'}"
    )

# %% [markdown]
# In a plan the same is `[policy] cost = 1.20`, `worth = 40` beside the outcome, and `budget = {
# per_head = 0.3 }`; the report draws the sweep and marks where the next offer stops paying.  See
# "Money decides" in [the plan](../plan.md#money-decides).
