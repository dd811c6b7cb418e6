"""A targeting plan whose log is larger than memory: learnt on a sample, judged on all other rows.

keys       which rows are the sample, and which ids occur twice: by hashes, in no order of rows
checks     what every row must be, and what all rows together show
blocks     sums by random groups, of which any mean has an honest interval
scoring    what the model says of every row, once
pricing    prices that make the demands hold on all rows
judging    the shipped rule, its rivals and the predicted effects on rows that chose nothing
rankings   the order of predicted effects in bins of about equal weight
learning_error, mean_covariance   what values may be off by where propensities were learnt
told       these figures in the findings, and what was read
kept       work of whole partitions on disk, for a run that was broken off
run        the order of it all
"""
