"""What ships: a model with its costs and its rule, the mixes of clusters, the ranking of
candidates, and files of units through any of them.
"""
