"""Findings as a run would make them, without a run: two arms and three metrics, and a dose of six levels with one metric."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.strata import ASSUMPTIONS, STRATA
from equipoise.pipeline.findings import Findings

FEATURES = [
    "recency",
    "history",
    "newbie",
    "mens",
    "womens",
    "zip: Urban",
    "history_segment=6) $750 - $1,000",
    "channel: Web",
    "channel: Phone",
]
Z = 1.96
PLAN = """[log]
dataset = "hillstrom"
protected = ["gender", "region"]

[policy]
weights = {visit = 1}
budget = {per_head = 0.042}
"""


def interval(value: float, half: float) -> list[float]:
    return [float(value), float(value - half), float(value + half)]


def _experiment(arms: dict[str, int], space: str, rng: np.random.Generator) -> Any:
    rows = sum(arms.values())
    share = 1 / len(arms)
    checks = [
        ("sample ratio", "ok", "The arms have the sizes the design gives them (chi-square p = 0.90).", []),
        ("missing values", "ok", "No column has missing values.", []),
        ("balance", "ok", "Every feature is balanced: the largest standardised difference is 0.013.", []),
        ("overlap", "ok", "Every unit had a fair chance of every arm.", []),
        (
            "duplicate rows",
            "note",
            "6,562 rows are equal to another one; with no id they are kept.",
            [{"rows": 6562, "share": 0.1025}],
        ),
        (
            "outcome kinds",
            "warn",
            "spend is very heavy-tailed: 1 % of the rows carry all of it.",
            [{"metric": "spend", "kurtosis": 420.3}],
        ),
    ]
    chance = np.sqrt(2 / min(arms.values()))
    draws = rng.normal(size=(len(FEATURES), len(arms) - 1))
    balance = [
        {"feature": feature, "candidate": candidate, "smd": float(draws[j, a] * chance), "z": float(draws[j, a])}
        for j, feature in enumerate(FEATURES)
        for a, candidate in enumerate(list(arms)[1:])
    ]
    return {
        "rows": rows,
        "features": len(FEATURES),
        "space": space,
        "arms": [{"name": a, "rows": n, "share": n / rows, "expected": share} for a, n in arms.items()],
        "checks": [dict(zip(("name", "status", "summary", "rows"), check, strict=True)) for check in checks],
        "balance": balance,
    }


def _ranking(metric: str, candidate: str, effect: float, lift: float, noise: float) -> Any:
    share = np.linspace(0, 1, 51)
    gain = effect * share + lift * share * (1 - share) * 2
    half = Z * noise * np.sqrt(share)
    return {
        "metric": metric,
        "candidate": candidate,
        "qini": interval(lift / 3, Z * noise / 3),
        "autoc": interval(lift * 0.9, Z * noise),
        "share": share.tolist(),
        "gain": gain.tolist(),
        "gain_low": (gain - half).tolist(),
        "gain_high": (gain + half).tolist(),
        "random": (effect * share).tolist(),
    }


def _deciles(
    metric: str, candidate: str, effect: float, lift: float, noise: float, n: int, rng: np.random.Generator
) -> list[Any]:
    predicted = effect + lift * np.linspace(1.6, -1.6, 10)
    observed = predicted * 0.93 + rng.normal(scale=noise * 1.6, size=10)
    return [
        {
            "metric": metric,
            "candidate": candidate,
            "decile": i + 1,
            "predicted": float(predicted[i]),
            "observed": interval(observed[i], Z * noise * 2.4),
            "rows": n // 10,
        }
        for i in range(10)
    ]


def _drivers(metric: str, candidate: str, rng: np.random.Generator) -> list[Any]:
    parts = np.sort(rng.dirichlet(np.full(len(FEATURES), 0.7)))[::-1]
    return [
        {"metric": metric, "candidate": candidate, "feature": f, "importance": float(p)}
        for f, p in zip(FEATURES, parts, strict=True)
    ]


def _groups(
    columns: dict[str, list[str]],
    shares: dict[str, float],
    spend: float,
    values: dict[str, list[float]],
    control: str,
    rng: np.random.Generator,
) -> list[Any]:
    found = []
    for column, groups in columns.items():
        for group in groups:
            tilted = {name: part * float(rng.uniform(0.8, 1.25)) for name, part in shares.items()}
            total = sum(tilted.values())
            mine = {name: part / total for name, part in tilted.items()}
            factor = (1 - mine[control]) / (1 - shares[control])
            gains = {m: [v * factor for v in i] for m, i in values.items()}
            found.append(
                {"column": column, "group": group, "rows": 21_000, "shares": mine, "spend": spend * factor, "values": gains}
            )
    return found


def arms_findings() -> Findings:
    """Two e-mails against none, on visits, conversions and spend."""
    rng = np.random.default_rng(0)
    control, effects = (
        "No E-Mail",
        {
            ("visit", "Mens E-Mail"): (0.0766, 0.0030, 0.0110),
            ("visit", "Womens E-Mail"): (0.0452, 0.0029, 0.0150),
            ("conversion", "Mens E-Mail"): (0.0068, 0.0010, 0.0016),
            ("conversion", "Womens E-Mail"): (0.0031, 0.0009, 0.0007),
            ("spend", "Mens E-Mail"): (0.770, 0.145, 0.210),
            ("spend", "Womens E-Mail"): (0.424, 0.131, 0.060),
        },
    )
    base = {"visit": (0.1062, 0.0021), "conversion": (0.0057, 0.0005), "spend": (0.653, 0.079)}
    candidates = ["Mens E-Mail", "Womens E-Mail"]
    chosen = {"visit": interval(0.0391, 0.0062), "conversion": interval(0.0042, 0.0019), "spend": interval(0.46, 0.28)}
    shares = {control: 0.58, "Mens E-Mail": 0.262, "Womens E-Mail": 0.158}
    points = []
    for spend in (0.0, 0.01, 0.02, 0.03, 0.042, 0.06, 0.08, 0.1):
        bought = 1 - np.exp(-spend / 0.045)
        values = {
            m: interval(e * bought, h * np.sqrt(bought))
            for m, e, h in (("visit", 0.066, 0.008), ("conversion", 0.0065, 0.0022), ("spend", 0.75, 0.33))
        }
        points.append(
            {
                "budget": spend,
                "spend": interval(spend, 0),
                "treated": min(spend * 10, 1.0),
                "values": values,
                "price": float(0.066 / 0.045 * np.exp(-spend / 0.045)),
            }
        )
    tradeoff = [
        {
            "weights": {"visit": round(1 - w, 2), "conversion": 0.0, "spend": round(w, 2)},
            "values": {
                "visit": interval(0.0391 - 0.012 * w**2, 0.0062),
                "conversion": interval(0.0036 + 0.0012 * w, 0.0019),
                "spend": interval(0.33 + 0.3 * np.sqrt(w), 0.27),
            },
            "chosen": w == 0,
        }
        for w in (0, 0.05, 0.1, 0.25, 0.5, 1.0)
    ]

    def rival(name: str, scale: float, spend: float, treated: float, against: dict[str, list[float]]) -> Any:
        values = {m: [v * scale for v in i] for m, i in chosen.items()}
        return {"policy": name, "values": values, "spend": interval(spend, 0), "treated": treated, "against_chosen": against}

    def paired(scale: float, half: float) -> dict[str, list[float]]:
        return {m: interval(i[0] * (1 - scale), half * (i[2] - i[0])) for m, i in chosen.items()}

    findings: Any = {
        "title": "Which e-mail for whom, within 4.2 cents per customer",
        "currency": "USD",
        "level": 0.95,
        "metrics": [
            {"name": "visit", "unit": "", "kind": "binary", "better": "higher"},
            {"name": "conversion", "unit": "", "kind": "binary", "better": "higher"},
            {"name": "spend", "unit": "USD", "kind": "amount", "better": "higher"},
        ],
        "candidates": candidates,
        "control": control,
        "headline": [
            "Sending the right e-mail to 42% of customers brings 39 more visits for every 1,000 customers, at 42 USD.",
            "That is 1.9 times what the same budget brings when the e-mails are sent at random.",
            "Revenue is very likely up as well, but a few large orders carry it: read its interval before promising an amount.",
        ],
        "experiment": _experiment(
            {control: 21_306, "Mens E-Mail": 21_307, "Womens E-Mail": 21_387},
            "3 arms: No E-Mail, Mens E-Mail, Womens E-Mail",
            rng,
        ),
        "averages": [
            {
                "metric": m,
                "candidate": c,
                "control": interval(base[m][0], Z * base[m][1]),
                "effect": interval(e, Z * s),
                "p_value": 0.0004 if e > 3 * s else 0.001,
            }
            for (m, c), (e, s, _) in effects.items()
        ],
        "rankings": [_ranking(m, c, e, lift, s) for (m, c), (e, s, lift) in effects.items()],
        "deciles": [d for (m, c), (e, s, lift) in effects.items() for d in _deciles(m, c, e, lift, s, 42_000, rng)],
        "drivers": [d for m, c in effects for d in _drivers(m, c, rng)],
        "budget": points,
        "tradeoff": tradeoff,
        "policy": {
            "shares": shares,
            "weights": {"visit": 1.0, "conversion": 0.0, "spend": 0.0},
            "demands": [
                {"name": "budget (USD per head)", "bound": 0.042, "used": 0.042, "price": 0.577, "binding": True},
                {"name": "spend not below", "bound": 0.0, "used": -0.46, "price": 0.0, "binding": False},
            ],
            "gap": 3.1e-6,
            "carried": [0.0421, 0.0382, 0.046],
            "groups": _groups(
                {"gender": ["female", "male"], "region": ["Rural", "Surburban", "Urban"]}, shares, 0.042, chosen, control, rng
            ),
            "profile": [
                {"feature": f, "treated": float(1 + d * 0.5), "untreated": 1.0, "smd": float(d)}
                for f, d in zip(FEATURES, (-0.52, 0.41, -0.12, 0.33, 0.27, 0.03, -0.06, 0.11, -0.02), strict=True)
            ],
        },
        "rivals": [
            {"policy": "chosen", "values": chosen, "spend": interval(0.042, 0), "treated": 0.42, "against_chosen": {}},
            rival("nobody", 0.0, 0.0, 0.0, paired(0.0, 1.0)),
            rival("everybody: Mens E-Mail", 1.94, 0.1, 1.0, paired(1.94, 0.9)),
            rival("everybody: Womens E-Mail", 1.15, 0.1, 1.0, paired(1.15, 1.1)),
            rival("random at equal spend", 0.66, 0.042, 0.42, paired(0.66, 0.6)),
        ],
        "risks": [
            "spend is carried by 1% of customers: its interval is wide and another sample may differ.",
            "Mens E-Mail goes to women and men at different rates; check that this is wanted.",
            "The experiment ran for two weeks: effects that fade or build up later are not in these numbers.",
        ],
        "made": {
            "version": "0.1.0",
            "seed": 0,
            "estimator": "dr-learner (LightGBM, 3 folds)",
            "folds": 3,
            "rows": 64000,
            "cost": {"Mens E-Mail": 0.1, "Womens E-Mail": 0.08},
            "method": "Effects are cross-fitted.",
            "seconds": 41.3,
            "plan": PLAN,
            "snapshot": "b1f0c2d9a7e34c58",
            "command": "equipoise run examples/hillstrom.toml",
            "python": "3.11.9",
            "packages": {"numpy": "2.4.0", "lightgbm": "4.7.0", "scikit-learn": "1.9.0"},
        },
    }
    return findings


def dose_findings() -> Findings:
    """Six levels of a voucher against none, one metric, no protected column among the groups' columns but one."""
    rng = np.random.default_rng(1)
    levels = ["0.5 USD", "1 USD", "1.5 USD", "2 USD", "2.5 USD", "2.84 USD"]
    control, lifts = "0 USD", dict(zip(levels, (0.33, 0.42, 0.47, 0.50, 0.51, 0.505), strict=True))
    findings: Any = {**arms_findings(), "tradeoff": [], "title": "How much to offer whom to come for a test result"}
    chosen = {"got": interval(0.412, 0.044)}
    shares = dict(zip([control, *levels], (0.11, 0.32, 0.29, 0.14, 0.08, 0.04, 0.02), strict=True))
    findings.update(
        metrics=[{"name": "got", "unit": "", "kind": "binary", "better": "higher"}],
        candidates=levels,
        control=control,
        headline=["Offering 0.5 to 2.84 USD to 89% of people brings 41 more of 100 to collect their result, for 0.75 USD each."],
        experiment=_experiment(
            {control: 622, **dict(zip(levels, (520, 610, 330, 372, 190, 190), strict=True))}, "a dose in [0, 2.84] USD", rng
        ),
        averages=[
            {"metric": "got", "candidate": c, "control": interval(0.339, 0.037), "effect": interval(e, 0.052), "p_value": 1e-9}
            for c, e in lifts.items()
        ],
        rankings=[_ranking("got", c, e, 0.03, 0.025) for c, e in lifts.items()],
        deciles=[d for c, e in lifts.items() for d in _deciles("got", c, e, 0.05, 0.05, 2834, rng)],
        drivers=[d for c in levels for d in _drivers("got", c, rng)],
        budget=[
            {
                "budget": b,
                "spend": interval(b, 0.02),
                "treated": float(1 - np.exp(-3 * b)),
                "values": {"got": interval(0.5 * (1 - np.exp(-2.2 * b)), 0.045 * np.sqrt(b))},
                "price": float(1.1 * np.exp(-2.2 * b)),
            }
            for b in (0.0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
        ],
    )
    findings["policy"] = {
        "shares": shares,
        "weights": {"got": 1.0},
        "demands": [{"name": "budget (USD per head)", "bound": 0.75, "used": 0.7496, "price": 0.211, "binding": True}],
        "gap": 0.0004,
        "carried": [0.753, 0.68, 0.826],
        "groups": _groups({"hiv2004": ["0", "1"]}, shares, 0.75, chosen, control, rng),
        "profile": [
            {"feature": "age", "treated": 34.1, "untreated": 30.2, "smd": 0.28},
            {"feature": "distvct", "treated": 2.1, "untreated": 1.8, "smd": 0.05},
        ],
    }
    findings["rivals"] = [
        {"policy": "chosen", "values": chosen, "spend": interval(0.75, 0.02), "treated": 0.89, "against_chosen": {}},
        {
            "policy": "everybody: 1 USD",
            "values": {"got": interval(0.42, 0.05)},
            "spend": interval(1, 0),
            "treated": 1.0,
            "against_chosen": {"got": interval(-0.008, 0.03)},
        },
        {
            "policy": "random at equal spend",
            "values": {"got": interval(0.37, 0.045)},
            "spend": interval(0.75, 0.02),
            "treated": 0.89,
            "against_chosen": {"got": interval(0.042, 0.031)},
        },
    ]
    return findings


def bare_findings() -> Findings:
    """The least a run can find: one arm, one metric, nothing optional, no cost, no interval."""
    findings: Any = arms_findings()
    findings.update(
        title="Bare",
        currency="",
        headline=[],
        metrics=[{"name": "y", "unit": "", "kind": "continuous", "better": "higher"}],
        candidates=["1"],
        control="0",
        averages=[],
        rankings=[],
        deciles=[],
        drivers=[],
        budget=[],
        tradeoff=[],
        rivals=[],
        risks=[],
        made={},
        experiment={"rows": 10, "features": 0, "space": "2 arms: 0, 1; control is 0", "arms": [], "checks": [], "balance": []},
        policy={"shares": {"0": 1.0}, "weights": {}, "demands": [], "gap": None, "carried": None, "groups": [], "profile": []},
    )
    return findings


def _amounts(rule: str, offered: float, n: int = 42_000) -> list[Any]:
    """An audience of n people, of whom this share of each stratum gets an offer."""
    parts, paid, worth = (0.301, 0.112, 0.167, 0.214, 0.206), (0, 0, 0, 0.4, 0.4), (0.0, 0.0, 0.0, 1.0, -0.4)
    lifts = (0.8, 0.8, 0.9, 1.5, 0.7)
    rows = []
    for name, part, cost, gain, lift in zip(STRATA, parts, paid, worth, lifts, strict=True):
        count = n * part * min(offered * lift, 1.0)
        row = {"rule": rule, "stratum": name, "units": interval(n * part, 300), "offered": interval(count, 250)}
        rows.append(row | {"paid": interval(count * cost, 250 * cost), "reward": interval(count * gain, 250 * abs(gain))})
    return rows


def _bins(level: float) -> dict[str, list[Any]]:
    said = np.linspace(level / 2, level * 1.5, 8)
    seen = said + np.array([0.01, -0.01] * 4)
    error = np.full(8, 0.012)
    return {
        "said": said.tolist(),
        "seen": seen.tolist(),
        "std_error": error.tolist(),
        "z": ((seen - said) / error).tolist(),
        "rows": [5250] * 8,
    }


def _restriction(assumption: str, restriction: str, stratum: str, z: float) -> dict[str, Any]:
    mean, error = np.linspace(z * 0.012, 0.4, 8), np.full(8, 0.012)
    found = {"assumption": assumption, "restriction": restriction, "stratum": stratum, "meaning": "the offer harms some claimers"}
    found |= {"z": (mean / error).tolist(), "mean": mean.tolist(), "std_error": error.tolist(), "rows": [5250] * 8}
    return found | {"least_z": z, "critical": -3.2, "violated": z < -3.2}


def strata_findings() -> Findings:
    """The e-mails with the strata of one of them asked for; one assumption fails its test."""
    findings: Any = arms_findings()
    said = {a.name: ("ok", "No sign against it.") for a in ASSUMPTIONS}
    said |= {"A1": ("note", "It cannot be tested with these data."), "A6": ("warn", "The data speak against it (z = -4.1).")}
    rules = (
        ("best offers by strata", 0.4, 0.105),
        ("profit uplift", 0.4, 0.103),
        ("naive", 0.4, 0.05),
        ("everybody", 1.0, 0.132),
    )
    findings["strata"] = {
        "method": "cf-dr",
        "outcome": "conversion",
        "claimed": "visit",
        "candidate": "Mens E-Mail",
        "rows": 42_000,
        "left_out": 22_000,
        "unoffered": 2262,
        "scheme": "coupon",
        "reward": [0.0, 0.0, 0.0, 1.0, -0.4],
        "cost": 0.4,
        "shares": [
            {"stratum": s, "share": interval(x, 0.012), "model": x + 0.002}
            for s, x in zip(STRATA, (0.301, 0.112, 0.167, 0.214, 0.206), strict=True)
        ],
        "assumptions": [
            {"name": a.name, "title": a.title, "sentence": a.sentence, "status": said[a.name][0], "found": said[a.name][1]}
            for a in ASSUMPTIONS
        ],
        "restrictions": [
            _restriction("A5", "q01 <= m0", "always_buyer", 2.1),
            _restriction("A6", "m0 <= q01 + q11", "coupon_buyer", -4.1),
        ],
        "calibration": [{"stratum": s, **_bins(0.2), "error": 0.01} for s in STRATA],
        "share_clipped": 0.1,
        "ranges": [
            {"assume": a, "stratum": s, "low": 0.1, "high": 0.28}
            for a in ("A5", "A6", "", "Lambda 1.5")
            for s in ("always_buyer", "coupon_buyer")
        ],
        "violations": [
            {
                "of": of,
                "part": part,
                "share": 0.1 * part,
                "coupon_buyer": 0.214 + sign * 0.1 * part,
                "always_buyer": 0.206 - sign * 0.1 * part,
                "reward": 0.12,
                "cautious": 0.12 - 0.1 * part * (of == "harm"),
            }
            for of, sign in (("harm", 1), ("direct_gain", -1))
            for part in (0.0, 0.25, 0.5, 0.75, 1.0)
        ],
        "rules": [
            {
                "rule": name,
                "offered": s,
                "value": interval(v, 0.02),
                "lower": v - 0.017,
                "lead": interval(0.105 - v, 0.01) if i else [],
            }
            for i, (name, s, v) in enumerate(rules)
        ],
        "curve": [
            {"share": s, "offered": s, "value": interval(0.16 * s**0.5, 0.02), "lower": 0.16 * s**0.5 - 0.017}
            for s in np.linspace(0.1, 1, 10).tolist()
        ],
        "audience": [*_amounts("best offers by strata", 0.4), *_amounts("the policy of this plan", 0.3)],
        "segments": [
            {"column": "region", "group": g, "rows": 14_000, "reward": interval(0.1, 0.03)}
            for g in ("Rural", "Surburban", "Urban")
        ],
    }
    return findings
