"""A rule that people read as a flag of a feature-flag system: its leaves with their weights.

    flagd        a flag of OpenFeature: ``targeting`` in JsonLogic, ``fractional`` where weights are
                 to explore
    growthbook   the payload that GrowthBook's SDKs read: a rule with a condition for each leaf, and
                 an experiment with weights where they are to explore; or, for its contextual
                 bandit, one experiment whose weights are those of the leaf

A unit's attributes are the columns of the log: numbers, text and booleans; what is missing is
absent or null, and never below a cut.  With explore = e, a leaf gives its own candidate with
probability 1 - e + e / K and each of the K - 1 others with e / K; who gets which follows from a
hash of the unit's key, so that it stays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.allocation.rules.base import BaseRule
from equipoise.allocation.rules.questions import Answers, Question
from equipoise.allocation.rules.tree import Node, PolicyTree
from equipoise.artifacts.rules import POLICY, about_rule, read_rule_scorer, read_rules, rules_file
from equipoise.core import columns
from equipoise.core.errors import InputError
from equipoise.core.snapshot import replacing

SCHEMA = "https://flagd.dev/schema/v0/flags.json"
PARTS = 10_000  # of flagd's weights, which are whole numbers
KEY = "id"  # GrowthBook's attribute of the unit, where nothing else is said
BOOLEANS = {"true": True, "false": False}

Logic = dict[str, Any]


def flagd_flags(
    rule: PolicyTree,
    flag: str = "policy",
    *,
    explore: float = 0.0,
    about: Mapping[str, str | float | bool] | None = None,
) -> dict[str, Any]:
    """A tree as a flag of OpenFeature, as flagd and its in-process providers read it.

    Parameters
    ----------
    rule : PolicyTree
        Learnt.
    flag : str, default "policy"
        The flag's key.
    explore : float, default 0.0
        The share of units that get a candidate at random, in [0, 1).
    about : mapping of str to str, float or bool, optional
        Metadata of the flag, such as the value lost.

    Returns
    -------
    dict
        A flag set with one flag of text: the name of control or of a candidate.

    Raises
    ------
    InputError
        Where a question cannot be asked there.

    References
    ----------
    https://flagd.dev/reference/flag-definitions/, schema v0.

    Examples
    --------
    >>> tree = PolicyTree(depth=1).fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50)
    >>> flagd_flags(tree)["flags"]["policy"]["targeting"]["if"][1:]
    ['candidate 1', 'control']
    """
    weights = _weights(rule, explore)
    cells = rule.candidates_

    def leaf(candidate: int) -> Any:
        own = cells[candidate + 1]
        if explore == 0:
            return own
        parts = np.diff(np.rint(np.cumsum([0.0, *weights[candidate]]) * PARTS)).astype(int)
        drawn = [[name, part] for name, part in zip(cells, parts.tolist(), strict=True)]
        return {"if": [{"var": "targetingKey"}, {"fractional": drawn}, own]}

    def logic(node: Node) -> Any:
        if node.question is None or node.yes is None or node.no is None:
            return leaf(node.candidate)
        return {"if": [_in_json_logic(node.question), logic(node.yes), logic(node.no)]}

    targeting = logic(_checked(rule).root_)
    definition = {
        "state": "ENABLED",
        "variants": {name: name for name in cells},
        "defaultVariant": cells[0],
        "targeting": targeting if isinstance(targeting, dict) else {"if": [True, targeting]},
        "metadata": _metadata(rule, explore, about),
    }
    return {"$schema": SCHEMA, "flags": {flag: definition}}


def growthbook_features(
    rule: PolicyTree,
    flag: str = "policy",
    *,
    explore: float = 0.0,
    key: str = KEY,
    bandit: bool = False,
    about: Mapping[str, str | float | bool] | None = None,
) -> dict[str, Any]:
    """A tree as the payload that GrowthBook's SDKs read.

    Parameters
    ----------
    rule : PolicyTree
        Learnt.
    flag : str, default "policy"
        The feature's key.
    explore : float, default 0.0
        The share of units that get a candidate at random, in [0, 1).
    key : str, default "id"
        The attribute that identifies the unit, by whose hash it explores.
    bandit : bool, default False
        Whether leaves are those of a contextual bandit, which SDKs of 2026 read: each exposure then
        says its leaf and its weights.  Otherwise each leaf is a rule, which all read.
    about : mapping of str to str, float or bool, optional
        Metadata of the payload, such as the value lost.

    Returns
    -------
    dict
        ``features``, of a bandit ``contextualBandits``, and ``metadata``, which SDKs leave alone.

    Raises
    ------
    InputError
        Where a question cannot be asked there.

    References
    ----------
    https://docs.growthbook.io/lib/build-your-own, specification 0.7.

    Examples
    --------
    >>> tree = PolicyTree(depth=1).fit({"age": [20, 50] * 50}, [[1.0], [-1.0]] * 50)
    >>> growthbook_features(tree)["features"]["policy"]["rules"][0]["force"]
    'candidate 1'
    """
    weights, cells = _weights(rule, explore), rule.candidates_
    leaves = [(_condition(path), candidate) for path, candidate in _checked(rule).root_.leaves()]
    names: dict[str, Any] = {"key": flag, "variations": list(cells), "hashAttribute": key}
    experiment = {**names, "hashVersion": 2, "seed": flag, "coverage": 1.0}
    content: dict[str, Any] = {}
    rules: list[dict[str, Any]] = []
    if bandit:
        contexts = [
            {"leafId": number, "condition": condition, "weights": weights[candidate]}
            for number, (condition, candidate) in enumerate(leaves, start=1)
        ]
        none = [1.0, *[0.0] * (len(cells) - 1)]
        rules = [{**experiment, "weights": none, "contextualBanditRef": flag}]
        content = {"contextualBandits": {flag: {"banditVersion": 1, "contexts": contexts}}}
    for number, (condition, candidate) in enumerate(leaves, start=1):
        if explore and not bandit:
            own = {**experiment, "key": f"{flag}-{number}", "weights": weights[candidate]}
            rules.append({"id": f"explore {number}", "condition": condition, **own})
        own = {"force": cells[candidate + 1]}  # also of who has no key
        rules.append({"id": f"leaf {number}", "condition": condition, **own})
    feature = {"defaultValue": cells[0], "rules": rules}
    return {"features": {flag: feature}, **content, "metadata": _metadata(rule, explore, about)}


def _growthbook_bandit(rule: PolicyTree, flag: str, **how: Any) -> dict[str, Any]:
    return growthbook_features(rule, flag, bandit=True, **how)


def _flagd(rule: PolicyTree, flag: str, *, key: str, **how: Any) -> dict[str, Any]:
    if key != KEY:
        fix = "OpenFeature's context has its targetingKey"
        raise InputError("the unit's key", "be left out for flagd", repr(key), fix=fix)
    return flagd_flags(rule, flag, **how)


FORMATS: dict[str, Callable[..., dict[str, Any]]] = {
    "flagd": _flagd,
    "growthbook": growthbook_features,
    "growthbook-bandit": _growthbook_bandit,
}


def export_rules(
    run: Path | str,
    out: Path | str,
    *,
    to: str = "flagd",
    flag: str = "policy",
    explore: float = 0.0,
    key: str = KEY,
) -> dict[str, Any]:
    """Write the rule of a run as a file of a feature-flag system.

    Parameters
    ----------
    run : path
        A run's folder, the policy/ in it, or its ``rules.json``.
    out : path
        The JSON file to write.
    to : {"flagd", "growthbook", "growthbook-bandit"}, default "flagd"
        Which system reads it.
    flag : str, default "policy"
        The flag's key.
    explore : float, default 0.0
        The share of units that get a candidate at random, in [0, 1).
    key : str, default "id"
        Of GrowthBook: the attribute that identifies the unit.

    Returns
    -------
    dict
        What was written.  Its metadata has the value that the rule loses to the policy, with its
        interval, for each metric.

    Raises
    ------
    InputError
        Where the rule has arms that are closed to some units, or a question that cannot be asked
        there.
    DataError
        Where the run has no rule.

    Examples
    --------
    >>> export_rules("equipoise-run", "flags.json", to="flagd")  # doctest: +SKIP
    """
    if to not in FORMATS:
        raise InputError("to", f"be one of {', '.join(FORMATS)}", repr(to))
    rule = read_rules(run)
    if (rules_file(run).parent / POLICY).is_dir():
        scorer = read_rule_scorer(run)
        if scorer.eligibility is not None or scorer.limits:
            fix = "the service that asks for the flag would have to know them: use equipoise score"
            raise InputError("a rule to export", "be open to all", "closed arms", str(run), fix)
    content = FORMATS[to](rule, flag, explore=explore, key=key, about=about_rule(run))
    with replacing(Path(out)) as file:
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
        file.write_text(text + "\n", encoding="utf-8")
    return content


def _checked(rule: BaseRule) -> PolicyTree:
    """The rule, where it is a tree whose questions a flag system can ask."""
    if not isinstance(rule, PolicyTree):
        fix = 'say kind = "tree" in [policy.rules]'
        raise InputError("a rule to export", "be a tree", type(rule).__name__, fix=fix)
    for path, _ in rule.root_.leaves():
        for question, _ in path:
            name = f"the question about {question.column!r}"
            if question.time:
                fix = "make a number of it, such as the days since then"
                raise InputError(name, "be of numbers, text or booleans", "a time", fix=fix)
            if "." in question.column or question.column.startswith("$"):
                fix = "rename it: flag systems read dots as paths and $ as operators"
                raise InputError(name, "have a column without . and $", question.column, fix=fix)
    return rule


def _weights(rule: BaseRule, explore: float) -> dict[int, list[float]]:
    """The probability of each cell, (K,), in a leaf of each candidate."""
    if not 0 <= explore < 1:
        raise InputError("explore", "be a share in [0, 1)", explore)
    K = len(rule.candidates_)
    each = np.full((K, K), explore / K) + (1 - explore) * np.eye(K)
    return {a - 1: row for a, row in enumerate(each.tolist())}


def _metadata(
    rule: PolicyTree, explore: float, about: Mapping[str, str | float | bool] | None
) -> dict[str, str | float | bool]:
    """What the file says of itself, one value a name."""
    told = {} if about is None else dict(about)
    return {"generator": "Equipoise", "rule": rule.text(), "explore": float(explore), **told}


def _values(question: Question) -> tuple[list[str | bool], bool]:
    """The values of a question of levels, a boolean also as such, and whether missing is one."""
    named = [columns.of_label(level) for level in question.levels if level != columns.MISSING]
    booleans = [BOOLEANS[level] for level in named if level in BOOLEANS]
    return [*named, *booleans], columns.MISSING in question.levels


def _in_json_logic(question: Question) -> Logic:
    """A question in JsonLogic."""
    var = {"var": question.column}
    known, absent = {"!==": [var, None]}, {"===": [var, None]}
    if question.cut is None:
        values, gap = _values(question)
        among = {"in": [var, values]}
        return ({"or": [absent, among]} if values else absent) if gap else among
    if np.isinf(question.cut):
        return {"or": [absent, known]} if question.missing else known
    below = {"<": [var, question.cut]}
    return {"or": [absent, below]} if question.missing else {"and": [known, below]}


def _in_condition(question: Question) -> Logic:
    """A question as a condition of GrowthBook, which takes null for absent."""
    name = question.column
    known, absent = {name: {"$exists": True}}, {name: {"$exists": False}}
    if question.cut is None:
        values, gap = _values(question)
        among = {name: {"$in": values}}
        return ({"$or": [absent, among]} if values else absent) if gap else among
    if np.isinf(question.cut):
        return {"$or": [absent, known]} if question.missing else known
    below = {name: {"$exists": True, "$lt": question.cut}}
    return {"$or": [absent, below]} if question.missing else below


def _condition(path: Answers) -> Logic:
    """The answers that lead to a leaf, as one condition."""
    every = [
        _in_condition(question) if yes else {"$not": _in_condition(question)}
        for question, yes in path
    ]
    return every[0] if len(every) == 1 else {"$and": every} if every else {}
