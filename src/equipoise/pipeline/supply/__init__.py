"""Supply and demand: from a log of exposures to the mix of categories that each cluster of users
should see.
"""
