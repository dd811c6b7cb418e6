# %% [markdown]
# # Many arms
#
# Four discounts times three texts, and no offer: thirteen arms.  With so many, the best one in the
# table is above all the luckiest one.  This page shows what luck does, how to say which arms
# surely differ, and how arms that share parts can share what is learnt.

# %%
import numpy as np
import pyarrow as pa

import equipoise as eq
from equipoise.evaluation import average_effects, evaluation_data

rng = np.random.default_rng(11)
n = 13_000
discounts, texts = ["0", "5", "10", "20"], ["short", "long", "story"]
labels = ["none"] + [f"{d}|{t}" for d in discounts for t in texts]
arm = rng.integers(0, len(labels), n)
adds = np.array([0.0] + [0.002 * int(d) + 0.015 * (t == "story") for d in discounts for t in texts])
frequent = rng.random(n) < 0.5
sale = (rng.random(n) < 0.10 + adds[arm] * (1 + frequent)).astype(float)

# %% [markdown]
# ## The luckiest of twelve
#
# The average effect of each arm, its own p-value, and the one that is left when all twelve are
# looked at together (Holm): the chance that *any* arm without effect is called one with is then at
# most 5 %.  The last column draws every effect towards what all arms show, as far as their noise
# says.

# %%
rows = evaluation_data(sale, cell=arm, propensity=np.full(13, 1 / 13))
effects = average_effects(rows)
drawn = effects.shrunk()
truth, estimate = 1.5 * adds[1:], effects.effect
print("arm        true   estimate   p      p of 12  drawn together")
for a, name in enumerate(labels[1:]):
    alone = f"{truth[a]:6.3f} {estimate.value[a, 0]:8.3f}   {estimate.p_value[a, 0]:.4f}"
    print(f"{name:9} {alone} {effects.adjusted[a, 0]:7.4f} {drawn.value[a, 0]:9.3f}")


def error(values):
    """Root mean squared error of average effects."""
    return np.sqrt(np.mean((values[:, 0] - truth) ** 2))


print(f"error {error(estimate.value):.4f}, drawn together {error(drawn.value):.4f}")

# %% [markdown]
# ## Arms that share parts
#
# Said as a label each, the arms have nothing to do with one another.  Said as factors, a discount
# of 10 is learnt from all three texts.

# %%
space = eq.Factors({"discount": discounts, "text": texts}, control="none")
log = eq.read_log(
    pa.table({"offer": np.array(labels)[arm], "frequent": frequent, "sale": sale.astype(int)}),
    treatment="offer",
    space=space,
    outcomes={"sale": "binary"},
    features=["frequent"],
    design=[1 / 13] * 13,
)
pooled_dml = eq.estimators.ESTIMATORS.load("dml-pooled")()
pooled = eq.cross_fit_effects(log, pooled_dml)
order = [pooled.candidates.index(name) for name in labels[1:]]
print(f"error of the average effects by factors: {error(pooled.values.mean(axis=0)[order]):.4f}")

# %% [markdown]
# ## The policy
#
# The policy chooses among all twelve and none, and is judged by outcomes that did not choose; so
# the luck of the best arm is not in its value.

# %%
policy = eq.honest_policy(log, effects=pooled)
policy

# %% [markdown]
# ## And if nothing works?
#
# Shuffle the arms, so that none does anything.  The best arm of the table still promises
# something; the policy's interval, and Holm's p-values, do not.

# %%
nothing = rng.permutation(arm)
rows = evaluation_data(sale, cell=nothing, propensity=np.full(13, 1 / 13))
effects = average_effects(rows)
shuffled = eq.read_log(
    pa.table({"offer": np.array(labels)[nothing], "frequent": frequent, "sale": sale.astype(int)}),
    treatment="offer",
    space=space,
    outcomes={"sale": "binary"},
    features=["frequent"],
    design=[1 / 13] * 13,
)
policy = eq.honest_policy(shuffled, pooled_dml)
value, low, high = policy.values["sale"]
print(f"the best of twelve promises {effects.effect.value.max():.3f} more sales a head,")
p, among = effects.effect.p_value.min(), effects.adjusted.min()
print(f"its p-value is {p:.3f} alone and {among:.3f} among twelve;")
print(f"the policy is worth {value:.3f} ({low:.3f} to {high:.3f}): {policy.verdict}")
