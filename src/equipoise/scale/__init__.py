"""Beyond one machine's memory, and beyond one machine: the rows of a log in partitions, and the
engines that work on them, which all give the same bits.
"""
