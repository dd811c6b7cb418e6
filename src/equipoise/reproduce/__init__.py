"""Published tables, built again: the same data, methods and rules, our figures beside the published
ones.
"""
