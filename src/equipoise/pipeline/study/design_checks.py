"""How is the design known, and do the arms keep to it?

A log that states neither propensities nor a design is taken for an experiment with the observed
shares.  That is said wherever its figures are, beside the test of it: `two_sample_test`, which sees
what means do not show.  Where the test rejects, a plan's ``undesigned`` says what becomes of it:
"learn" the propensity, "stop", or keep the "shares".
"""

from __future__ import annotations

from typing import Any

from equipoise.core import checks
from equipoise.core.balance import Check, Checks, check
from equipoise.core.errors import InputError, LogError
from equipoise.core.log import Log
from equipoise.learners.two_sample import TwoSampleTest, two_sample_test

UNDESIGNED = ("learn", "stop", "shares")
TOLD, DESIGN = "arms by features", "design"  # names of checks
BENDS = "shared curvature"
SURE = 0.01  # a smaller p-value warns where the design is stated
CERTAIN, FAR = 1e-4, 0.05  # and below this it fails, where the AUC is as far from 1/2


class DesignWarning(UserWarning):
    """No design was stated, and the arms follow the features: the propensity is learnt.

    Examples
    --------
    >>> import warnings
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(600, logged=False)
    >>> with warnings.catch_warnings(action="ignore", category=DesignWarning):
    ...     policy = eq.honest_policy(log, eq.TLearner(eq.BoostedTrees(5)))
    >>> policy.design[:19]
    'No design is stated'
    """


def is_stated(log: Log) -> bool:
    """Whether the log says how treatment was given."""
    named = log.roles.propensity or log.roles.action_propensity
    return bool(named) or log.roles.design is not None


def follows(log: Log, test: TwoSampleTest, undesigned: str) -> bool:
    """Whether the propensity of a log without a stated design is to be learnt.

    Raises
    ------
    LogError
        Where the test rejects and ``undesigned`` is "stop".
    """
    if undesigned not in UNDESIGNED:
        raise InputError("undesigned", f"be one of {', '.join(UNDESIGNED)}", repr(undesigned))
    if is_stated(log) or not test.rejects or undesigned == "shares":
        return False
    if undesigned == "learn":
        return True
    what, must = "arms of a log without a design", "not follow its features"
    fix = (
        'name the propensity columns, or say design: probabilities, or "learn"; "shares" only'
        " where treatment was drawn by lot"
    )
    raise LogError(what, must, _found(test), fix=fix)


def arms_check(log: Log, test: TwoSampleTest, learnt: bool = False) -> Check:
    """The two-sample test as a check.   learnt: whether propensities are learnt from the
    features, so that arms may follow them.
    """
    rows: list[dict[str, Any]] = [
        {"arm": arm, "auc": round(float(auc), 4), "z": round(float(z), 2), "p_value": float(p)}
        for arm, auc, z, p in zip(test.arms, test.auc, test.z, test.p_values, strict=True)
    ]
    beyond = " beyond the logged propensities" if log.roles.propensity else ""
    if not test.rejects or (is_stated(log) and test.p_value >= SURE and not learnt):
        summary = f"Trees cannot tell the arms apart by the features{beyond} ({_found(test)})."
        return check(TOLD, "ok", summary, rows)
    summary = f"Trees tell the arms apart by the features{beyond} ({_found(test)})"
    if learnt:
        return check(TOLD, "note", f"{summary}; their propensities are learnt.", rows)
    stated = "they do not keep to the design" if is_stated(log) else "they were not drawn by lot"
    fix = "or a feature follows from the treatment"
    gap = abs(float(test.auc[test.worst]) - 0.5)
    broken = is_stated(log) and test.p_value < CERTAIN and gap >= FAR
    if broken:
        fix += '; say design = "learn", or the probabilities'
    return check(TOLD, "fail" if broken else "warn", f"{summary}: {stated}, {fix}.", rows)


def design_check(
    log: Log, test: TwoSampleTest, undesigned: str, asked: bool = False
) -> list[Check]:
    """How a design that nobody stated is taken; none where it is stated, or learnt as ``asked``."""
    if is_stated(log) or asked:
        return []
    taken = "No design is stated"
    if not test.rejects:
        summary = (
            f"{taken}: treatment is taken for random with the observed shares. Trees cannot tell"
            f" the arms apart by the features ({_found(test)})."
        )
        return [check(DESIGN, "note", summary)]
    tells = f"{taken}, and the arms follow the features ({_found(test)})"
    what = {
        "learn": "propensities are learnt from the features, and every figure rests on all"
        " confounders being among them",
        "stop": "say how treatment was given before anything is learnt",
        "shares": "treatment is taken for random with the observed shares all the same, as the plan"
        " says, so effects may not exist",
    }[undesigned]
    return [check(DESIGN, "warn", f"{tells}: {what}.")]


def curvature_check(estimator: Any) -> list[Check]:
    """Whether treatment and outcome bend together where an estimator's nuisances are lines; none of
    any other estimator.
    """
    found = getattr(estimator, "curvature_", None)
    if found is None:
        return []
    if not found.bends:
        summary = "Treatment and outcome do not bend together beyond chance, so lines serve both."
        return [check(BENDS, "ok", summary)]
    advice = found.advice[0].upper() + found.advice[1:]
    summary = f'{advice} (in a plan: [estimator] params = {{ nuisances = "boosted" }}).'
    return [check(BENDS, "warn", summary, [found.to_plain()])]


def with_arms(log: Log, own: list[Check]) -> list[Check]:
    """The checks of a log with ``own`` beside its balance."""
    every = list(checks.check_log(log))
    place = 1 + [one["name"] for one in every].index("balance")
    return [*every[:place], *own, *every[place:]]


def check_log(log: Log, undesigned: str = "learn") -> Checks:
    """Run every check of a log.

    Parameters
    ----------
    log : Log
        The experiment log.
    undesigned : {"learn", "stop", "shares"}, default "learn"
        What is to become of a log that states neither propensities nor a design, where its arms
        follow the features; only the words of the check "design" hang on it.

    Returns
    -------
    Checks, list of dict
        One per check, in the order of the report: name, status ("ok", "note", "warn" or "fail"),
        summary, and rows of a table.

    Examples
    --------
    >>> import equipoise as eq
    >>> log, truth = eq.datasets.make_coupon_world(400)
    >>> sound = {check["name"]: check for check in check_log(log)}
    >>> sound["sample ratio"]["status"], sound["arms by features"]["status"]
    ('ok', 'ok')
    """
    test = two_sample_test(log)
    learnt = follows(log, test, "learn" if undesigned == "stop" else undesigned)
    own = [arms_check(log, test, learnt), *design_check(log, test, undesigned)]
    return Checks(with_arms(log, own))


def _found(test: TwoSampleTest) -> str:
    """The arm that is told apart most surely: its AUC, and the p-value of all."""
    auc = test.auc[test.worst]
    arm = f" of {test.arms[test.worst]}" if len(test.arms) > 1 else ""
    p = "p < 1e-6" if test.p_value < 1e-6 else f"p = {test.p_value:.2g}"
    return f"AUC{arm} {auc:.3f}, {p}"
