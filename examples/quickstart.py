"""Ten lines from an experiment to a budgeted policy with its value and interval."""

import equipoise as eq

# cash vouchers for collecting a test result; your own: eq.read_log(frame, treatment=...,
# outcomes=...)
log = eq.load_thornton()
# nobody's effects saw their own outcome
effects = eq.cross_fit_effects(log, eq.DoseSLearner(monotone="increasing"), folds=5)
found = eq.honest_policy(log, effects, weights={"got": 1}, cost="dose", budget=0.60, folds=5)

value, low, high = found.values["got"]
spend = found.spend[0]
print(f"{log!r}")
print(
    "who gets what:", {name: round(share, 2) for name, share in found.shares.items() if share > 0}
)
print(
    f"{100 * value:.1f} more of 100 people come ({100 * low:.1f} to {100 * high:.1f}), for"
    f" {spend:.2f} USD a head"
)
