"""Ten lines from an experiment to a budgeted policy, its value, and what serves the next users."""

import equipoise as eq

log = eq.datasets.load_thornton()  # cash for collecting a test result; your own: eq.read_log(...)
estimator = eq.estimators.DoseSLearner(monotone="increasing")
policy = eq.honest_policy(log, estimator, weights={"got": 1}, cost="dose", budget=0.60, cv=5)

value, low, high = policy.values["got"]
print({name: round(share, 2) for name, share in policy.shares.items() if share > 0})
print(f"{100 * value:.1f} more of 100 people come ({100 * low:.1f} to {100 * high:.1f}),")
print(f"for {policy.spend[0]:.2f} USD each; the next users get")
print(policy.scorer.assign(log.table.slice(0, 3))["chosen"].to_pylist())
