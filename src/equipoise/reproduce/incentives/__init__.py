"""`equipoise reproduce incentives`: how incentives are represented, tested, searched, kept, watched
and paced, in worlds of red packets whose truth is known; a file a family of tables.
"""

FAMILIES = {
    "missing": "equipoise.reproduce.incentives.missing:MISSING",
    "schedules": "equipoise.reproduce.incentives.schedules:SCHEDULES",
    "designs": "equipoise.reproduce.incentives.designs:DESIGNS",
    "rollouts": "equipoise.reproduce.incentives.rollouts:ROLLOUTS",
    "search": "equipoise.reproduce.incentives.search:SEARCH",
    "bandit": "equipoise.reproduce.incentives.bandit:BANDIT",
    "cadence": "equipoise.reproduce.incentives.cadence:CADENCE",
    "starts": "equipoise.reproduce.incentives.starts:STARTS",
    "pacing": "equipoise.reproduce.incentives.pacing:PACING",
    "monitors": "equipoise.reproduce.incentives.monitors:MONITORS",
}
