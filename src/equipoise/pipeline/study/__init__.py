"""The analysis of a log: cross-fitted effects, the policy's task, and its off-policy evaluation."""
