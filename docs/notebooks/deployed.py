# %% [markdown]
# # Logs of what runs
#
# Most logs are not experiments.  A model decides, tries something else now and then, and writes
# down with which probability it chose what it chose.  That is enough to say what *another* policy
# would have been worth, without showing it to anybody.

# %%
import numpy as np
import pyarrow as pa

import equipoise as eq
from equipoise.evaluation import dr, evaluation_data, ips, policy_value, slate_value, snips

rng = np.random.default_rng(7)
n, arms = 20_000, ["news", "sport", "film"]
young = rng.random(n) < 0.4
favourite = np.where(young, 2, 0)  # what the running policy believes
chances = np.where(np.arange(3) == favourite[:, None], 0.8, 0.1)
shown = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1)
rates = np.where(
    young[:, None], [0.02, 0.09, 0.05], [0.06, 0.03, 0.02]
)  # sport is what the young want
clicks = rng.random(n) < rates[np.arange(n), shown]
log = eq.read_log(
    pa.table(
        {
            "shown": np.array(arms)[shown],
            "young": young,
            "pscore": chances[np.arange(n), shown],
            "click": clicks.astype(int),
        }
    ),
    treatment="shown",
    space=eq.Arms(arms),
    outcomes={"click": "binary"},
    features=["young"],
    action_propensity="pscore",
)
print(f"clicks as logged: {clicks.mean():.2%}")

# %% [markdown]
# ## The mistake to avoid
#
# Comparing the rows of each arm compares the people who got it: news look best, because those get
# them who like them.  Weighing each row by one over its probability undoes what the policy did.

# %%
for a, name in enumerate(arms):
    rows = shown == a
    weighted = (clicks[rows] / chances[rows, a]).sum() / (1 / chances[rows, a]).sum()
    line = f"raw {clicks[rows].mean():.2%}  weighted {weighted:.2%}"
    print(f"{name:6} {line}  true {rates[:, a].mean():.2%}")

# %% [markdown]
# ## What would another policy be worth?
#
# A policy is a table of probabilities: of each arm, for each row.  Three estimators of its value:
# IPS, which is unbiased and noisy; SNIPS, which divides by the weights' sum; DR, which weighs only
# what a model did not foresee.

# %%
rows = evaluation_data(clicks.astype(float), cell=shown, propensity=chances)
new = np.eye(3)[np.where(young, 1, 0)]  # sport for the young
truth = (new * rates).sum(axis=1).mean()
for method in (ips, snips, dr):
    value = policy_value(new, rows, method=method).estimates[0]
    print(f"{method.__name__:6} {value.value:.2%} ({value.low:.2%} to {value.high:.2%})")
print(f"truth  {truth:.2%}")

# %% [markdown]
# On the command line: `equipoise evaluate plan.toml --policy new=new.csv`, with a table of one
# column per arm.  To compare policies, pair them: the difference is known far better than the
# values.  (A gain is over the first arm for everybody.)

# %%
eq.compare({"running": chances, "sport for the young": new, "news for all": "news"}, log)

# %% [markdown]
# ## Slates
#
# A page shows several items, and what is clicked in the second place depends on the first.
# `slate_value` weighs each slot by the probabilities of what stands above it (method "cascade"),
# by its own alone ("independent"), or by the whole page ("joint").

# %%
slots = 3
behaviour = np.full((n, slots), 1 / 2)
first = rng.random((n, slots)) < behaviour  # of two rankers, whose item stands in the slot?
reward = (rng.random((n, slots)) < np.where(first, 0.08, 0.05) * [1.0, 0.7, 0.5]).astype(float)
target = np.where(first, 0.9, 0.1)  # mostly the first ranker
for method in ("independent", "cascade", "joint"):
    value = slate_value(reward, target, behaviour, method=method)
    print(f"{method:12} {value.value[-1]:.4f} +- {1.96 * value.std_error[-1]:.4f} clicks a page")
print(f"logged       {reward.sum(axis=1).mean():.4f}")

# %% [markdown]
# The more a method takes into account, the wider its interval.  Take the narrowest whose
# assumption you would defend.
