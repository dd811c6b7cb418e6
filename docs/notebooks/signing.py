# %% [markdown]
# # A policy that a person can sign
#
# A model that scores every customer may be the best there is; somebody still has to answer for it.
# This page asks for a rule that fits on a card, what it loses, and which features move the effect.

# %%
import numpy as np
import pyarrow as pa

import equipoise as eq
from equipoise.estimators.contributions import effect_contributions

rng = np.random.default_rng(5)
n = 8_000
age, tenure = rng.integers(18, 80, n), rng.integers(0, 60, n)
channel = rng.choice(["app", "shop", "web"], n)
arm = rng.choice(["none", "discount", "call"], n)
works = 0.10 * (arm == "discount") * (tenure < 24) + 0.14 * (arm == "call") * (age > 60)
stayed = rng.random(n) < 0.5 + 0.1 * (channel == "shop") + works
log = eq.read_log(
    pa.table(
        {
            "arm": arm,
            "age": age,
            "tenure": tenure,
            "channel": channel,
            "stayed": stayed.astype(int),
        }
    ),
    treatment="arm",
    space=eq.Arms(["none", "discount", "call"]),
    outcomes={"stayed": "binary"},
    features=["age", "tenure", "channel"],
    design=[1 / 3, 1 / 3, 1 / 3],
)
trees = eq.BoostedTrees(n_estimators=40, num_leaves=6, min_child_samples=80)

# %% [markdown]
# ## The rule
#
# `rules="tree"` asks for the best tree of two questions beside the policy; not a tree grown
# greedily to look like the model, but the best of all such trees for the same objective, within
# the same demands.

# %%
policy = eq.honest_policy(
    log, eq.XLearner(trees, trees), cost={"discount": 2.0, "call": 4.0}, budget=1.2, rules="tree"
)
print(policy.rules)

# %% [markdown]
# What does it cost to be simple?  `lost` is what the policy gains over the rule, paired row by
# row, by outcomes that chose neither.  An interval that holds 0 says: sign the rule.

# %%
value, low, high = policy.rules.lost["stayed"]
print(f"the policy's lead: {100 * value:.1f} points ({100 * low:.1f} to {100 * high:.1f})")
print(policy)

# %% [markdown]
# ## What moves the effect?
#
# Effects that are sums of trees have exact Shapley values: what each feature adds to each
# customer's effect, in the metric's unit.  Their mean size says which features matter.  Fit on one
# half and look at the other, or the answer describes noise that the model has learnt by heart.

# %%
half = np.arange(n) < n // 2
X = np.column_stack([age, tenure])
learner = eq.TLearner(trees, space=log.space).fit(
    X[half], stayed[half].astype(float), treatment=arm[half]
)
parts = effect_contributions(learner, X[~half])
for a, name in enumerate(["discount", "call"]):
    size = np.abs(parts.values[:, a, 0]).mean(axis=0)
    print(f"{name:9} age {100 * size[0]:.1f}, tenure {100 * size[1]:.1f} points on average")

# %% [markdown]
# ## Who is not treated alike?
#
# A column may be looked at without ever being used: `protected` columns are audited, never
# features.  And parity is a demand like any other.

# %%
fair = eq.honest_policy(
    log,
    eq.XLearner(trees, trees),
    offers=0.4,
    parity=[{"column": "channel", "within": 0.02}],
)
treated = fair.choice >= 0
for name in ("app", "shop", "web"):
    print(f"{name:5} {treated[channel == name].mean():.0%} get an offer")
