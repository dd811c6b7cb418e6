"""What estimators are made of: base regressions and their scoring, cross-fitting, the learnt
propensity, density ratios and pooling of many averages.

None of it knows of treatments or effects: a learner sees rows, targets, weights and folds.
"""
