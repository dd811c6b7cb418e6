# %% [markdown]
# # The first day with your own log
#
# You have a file: one row a customer, a column that says who was mailed, one that says who bought.
# In an hour you want to know whom to mail next time, and what that is worth.  Here the file is
# made, so that you can run this page; put your own in its place.

# %%
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

import equipoise as eq


def export(n, seed):
    """Customers as a shop would export them: the mail works for the young, and for nobody else."""
    rng = np.random.default_rng(seed)
    age, city = rng.integers(18, 80, n), rng.choice(["Lyon", "Paris", "Lille"], n)
    mailed = rng.random(n) < 0.5
    bought = rng.random(n) < 0.10 + 0.12 * mailed * (age < 45)
    return pa.table(
        {
            "customer_id": [f"C{10_000 * (1 + seed) + i}" for i in range(n)],
            "campaign": np.where(mailed, "mail", "no mail"),
            "age": age,
            "city": city,
            "visits_before": rng.poisson(2, n),
            "visits_after": rng.poisson(1 + 2 * bought),
            "sale": bought.astype(int),
        }
    )


folder = Path(tempfile.mkdtemp())
pa.csv.write_csv(export(5_000, seed=0), folder / "log.csv")

# %% [markdown]
# ## Let it guess, then correct it
#
# `first_plan` (on the command line: `equipoise init log.csv`) reads the columns and says what it
# takes each for.

# %%
plan = eq.pipeline.first_plan(folder / "log.csv")
print(plan[plan.index("treatment") : plan.index("[space]")])

# %% [markdown]
# Look at `features`.  Everything in that list must have been known *before* the mail went out: a
# column that follows from it, such as `visits_after`, would explain the effect away.  Here it was
# taken for an outcome, by its name; but a program cannot know what a column means, so go through
# the list yourself.
#
# Then say what you know better than any guess: what the mail is for (sales), the arms, control
# first, and that they were drawn by lot, one half each.

# %%
log = eq.read_log(
    folder / "log.csv",
    treatment="campaign",
    space=eq.Arms(["no mail", "mail"]),
    outcomes={"sale": "binary"},
    features=["age", "city", "visits_before"],
    id="customer_id",
    design=[0.5, 0.5],
)
log

# %% [markdown]
# ## Is the experiment sound?
#
# Before any model.  A failed check is a fact about how the log came to be, and no estimator mends
# it.

# %%
for check in eq.check_log(log):
    print(f"{check['status']:5} {check['name']}")

# %% [markdown]
# ## A policy, and what it is worth
#
# `honest_policy` fits across folds, lets each fold's rows be decided by models that never saw
# them, and judges the decisions by outcomes that chose nothing.  The estimator may be left out;
# here it is given smaller trees, so that the page is quick.

# %%
trees = eq.BoostedTrees(n_estimators=30, num_leaves=8, min_child_samples=50)
policy = eq.honest_policy(log, eq.XLearner(trees, trees), offers=0.5)
policy

# %% [markdown]
# Read it from the top.  The verdict is "do it" only where the whole interval of the gain lies
# above 0.  The shares say how many get a mail; half of all was the most we allowed, and the price
# of that demand is what one more offer would bring.
#
# Did it find the young?

# %%
chosen = policy.choice >= 0
age = log.table["age"].to_numpy()
print(
    f"mean age of those it mails {age[chosen].mean():.0f}, of the others {age[~chosen].mean():.0f}"
)

# %% [markdown]
# ## Next month's customers
#
# The policy's scorer holds the model, the prices and the rule.  It needs their id and the
# features, and nothing else.

# %%
strangers = export(5, seed=1).select(["customer_id", "age", "city", "visits_before"])
answers = policy.scorer.assign(strangers)
list(zip(strangers["age"].to_pylist(), answers["chosen"].to_pylist(), strict=True))

# %% [markdown]
# What you have now is an estimate, with an interval, of a decision that nobody has tried yet.
# `eq.run` writes the same as a report for the people who decide; [the plan](../plan.md) has every
# key, and the next notebook adds money.
