"""What ships: a model with its costs and its rule, the mixes of clusters, and files of units
through any of them.
"""
