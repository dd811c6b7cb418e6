"""A rollout as a state machine: seeds come in batches, weak ones leave, one replaces the incumbent.

    batches 1..B    each joins what stayed of those before; at its end the best `stay` stay
    halving         then the best `then[0]` run on, then `then[1]`, ...; by rank of effects by day,
                    since tests weed out nobody at such sizes
    replace         the best against the incumbent on fresh traffic
    over            replaced, kept, or rolled back

The candidate replaces the incumbent once all hold: the lower end of a confidence sequence of its
gain is above 0 and that of each guard above its bound; `least_days` have passed, with two weekends;
no alarm for `stable_days`; the carry-over test is silent, or the settled window alone was counted.
A sequence may be looked at daily.  Who wins a selection looks better than he is, so his effect is
told drawn towards all that were tested (normal prior, `equipoise.learners.empirical_bayes`).

`advance` is pure: state and results in, state out; the same results again change nothing.  A state
is JSON with a version and a digest of itself: one that was edited is refused.

    Karnin, Koren & Somekh (2013), Almost optimal exploration in multi-armed bandits, ICML, on
    halving;  Waudby-Smith et al., arXiv:2103.06476, on the sequence.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from equipoise.core.display import shown
from equipoise.core.errors import InputError, SnapshotError
from equipoise.core.suggest import among
from equipoise.learners.empirical_bayes import pooled
from equipoise.operations.sequences import confidence_sequence

VERSION = 1
WEEKENDS = 2


@shown
@dataclass(frozen=True)
class RolloutRules:
    """What a rollout is to do.

    Attributes
    ----------
    base : str
        What effects are told against; it runs all the time.
    seeds : tuple of str
        The strategies to try, in the order in which they come.
    batches : int, default 4
        In how many batches.
    every_days : int, default 4
        How long a stage is.
    stay : int, default 6
        How many stay at the end of each batch.
    then : tuple of int, default (6, 3)
        How many run in each stage after the batches, falling; the best of the last is the
        candidate.
    guards : mapping of str to float, default empty
        Metrics and the least difference to the incumbent that is borne.
    level : float, default 0.95
        Of the confidence sequences.
    least_days : int, default 14
        Of fresh traffic before a replacement, two weekends among them.
    most_days : int, default 56
        After which the incumbent is kept.
    stable_days : int, default 7
        Without an alarm.
    fresh : bool, default True
        Whether only days since the candidate was chosen count.
    monday : int, default 4
        The number of a day that is a Monday: 4 for days since 1970.

    Examples
    --------
    >>> RolloutRules("base", ("a", "b", "c"), batches=2, stay=2, then=(1,)).batch(1)
    ('a', 'b')
    """

    base: str
    seeds: tuple[str, ...]
    batches: int = 4
    every_days: int = 4
    stay: int = 6
    then: tuple[int, ...] = (6, 3)
    guards: Mapping[str, float] = field(default_factory=dict)
    level: float = 0.95
    least_days: int = 14
    most_days: int = 56
    stable_days: int = 7
    fresh: bool = True
    monday: int = 4

    def __post_init__(self) -> None:
        for name in ("seeds", "then"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        names = (self.base, *self.seeds)
        if len(set(names)) < len(names) or len(names) < 2:
            fix = "name each strategy once, and the base not among the seeds"
            raise InputError("base and seeds", "be different names", list(names), fix=fix)
        if not 1 <= self.batches <= len(self.seeds):
            raise InputError("batches", f"be 1..{len(self.seeds)}", self.batches)
        for name in ("every_days", "stay", "least_days", "most_days"):
            if getattr(self, name) < 1:
                raise InputError(name, "be 1 or more", getattr(self, name))
        if self.stable_days < 0:
            raise InputError("stable_days", "be 0 or more", self.stable_days)
        falling = (self.stay, *self.then)
        if any(b > a for a, b in zip(falling, falling[1:], strict=False)) or min(falling) < 1:
            fix = "let no stage keep more than the one before"
            raise InputError("stay and then", "fall and be 1 or more", list(falling), fix=fix)
        if not 0 < self.level < 1:
            raise InputError("the level", "lie between 0 and 1", self.level)
        if self.most_days < self.least_days:
            raise InputError("most_days", f"be {self.least_days} or more", self.most_days)

    def batch(self, number: int) -> tuple[str, ...]:
        """The seeds of a batch.

        Parameters
        ----------
        number : int
            1..batches.

        Returns
        -------
        tuple of str
            As even as possible; larger ones first.
        """
        return tuple(np.array_split(np.array(self.seeds, object), self.batches)[number - 1])


@shown
@dataclass(frozen=True)
class Gain:
    """An effect with what stands behind it.

    Attributes
    ----------
    effect : float
        In the metric's unit.
    std_error : float
        Its standard error, >= 0.
    rows : float, default 0.0
        Units and days behind it.
    days : int, default 0
        Days behind it.

    Examples
    --------
    >>> Gain(0.02, 0.01).effect
    0.02
    """

    effect: float
    std_error: float
    rows: float = 0.0
    days: int = 0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.effect) and self.std_error >= 0):
            raise InputError(
                "an effect", "be finite, its error >= 0", (self.effect, self.std_error)
            )


@shown
@dataclass(frozen=True)
class StageResults:
    """What a log tells a rollout; `stage_results` makes it of rows.

    Attributes
    ----------
    day : int
        The last day of the log.
    effects : mapping of str to Gain
        Of each strategy over the base, by day, on the metric that ranks them.
    fresh : Gain or None, default None
        Of the candidate over the incumbent, while it is to replace it.
    fresh_days : tuple of int, default ()
        The days behind it.
    guards : mapping of str to Gain, default empty
        The same of the guards.
    alarm_day : int or None, default None
        The last day with an alarm of effects or mixes.
    carry_over : bool or None, default None
        Whether the test flags; None: it was not made.
    settled : bool, default False
        Whether `fresh` counts the settled window only.

    Examples
    --------
    >>> StageResults(3, {"a": Gain(0.02, 0.01)}).digest()[:8]
    '56661885'
    """

    day: int
    effects: Mapping[str, Gain]
    fresh: Gain | None = None
    fresh_days: tuple[int, ...] = ()
    guards: Mapping[str, Gain] = field(default_factory=dict)
    alarm_day: int | None = None
    carry_over: bool | None = None
    settled: bool = False

    def digest(self) -> str:
        """The sha256 of what it says.

        Returns
        -------
        str
            In hexadecimals.
        """
        return _digest(asdict(self))


@shown
@dataclass(frozen=True)
class RolloutState:
    """Where a rollout stands.

    Attributes
    ----------
    rules : RolloutRules
        What it does.
    stage : str
        "batches", "halving", "replace" or "over".
    number : int
        Of the batch or halving, from 1.
    began : int
        The first day.
    since : int
        The first day of the stage.
    running : tuple of str
        Strategies that get traffic beside the base.
    leaving : tuple of str, default ()
        Those that the last step took off.
    candidates : tuple of str, default ()
        What may replace the incumbent: one in "replace".
    policy : str, default ""
        The incumbent.
    parents : tuple of str, default ()
        The policies before it, the latest first.
    decision : str, default "next"
        "wait", "next", "replace", "keep" or "roll back".
    why : str, default ""
        In a sentence.
    estimate : Gain or None, default None
        Of the candidate over the base, drawn towards all that were tested.
    n_star : float, default 1.0
        The rows at which a decision is expected.
    day : int or None, default None
        The last day seen.
    last : str, default ""
        The digest of the last results.

    Examples
    --------
    >>> state = start_rollout(RolloutRules("base", ("a", "b"), batches=1, stay=1, then=()), day=0)
    >>> RolloutState.from_json(state.to_json()) == state
    True
    """

    rules: RolloutRules
    stage: str
    number: int
    began: int
    since: int
    running: tuple[str, ...]
    leaving: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()
    policy: str = ""
    parents: tuple[str, ...] = ()
    decision: str = "next"
    why: str = ""
    estimate: Gain | None = None
    n_star: float = 1.0
    day: int | None = None
    last: str = ""

    def to_json(self) -> dict[str, Any]:
        """Write the state.

        Returns
        -------
        dict
            JSON, with its version and digest.
        """
        body: dict[str, Any] = json.loads(
            json.dumps({"version": VERSION} | asdict(self), default=_plain)
        )
        return body | {"digest": _digest(body)}

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> RolloutState:
        """Read a state.

        Parameters
        ----------
        state : mapping
            What `to_json` wrote.

        Returns
        -------
        RolloutState
            The state.

        Raises
        ------
        SnapshotError
            Where a newer version wrote it, or it was edited since.
        """
        body = {name: value for name, value in state.items() if name != "digest"}
        version = body.pop("version", None)
        if not isinstance(version, int) or version > VERSION:
            fix = "use the version that wrote it, or a later one"
            raise SnapshotError("a rollout's state", f"be of version {VERSION}", version, fix=fix)
        if _digest({"version": version} | body) != state.get("digest"):
            got = "one that was edited or cut since"
            fix = "restore it; a rollout is steered by its plan and log alone"
            raise SnapshotError("a rollout's state", "be as it was written", got, fix=fix)
        rules = body["rules"] | {name: tuple(body["rules"][name]) for name in ("seeds", "then")}
        lists = {
            name: tuple(body[name]) for name in ("running", "leaving", "candidates", "parents")
        }
        estimate = None if body["estimate"] is None else Gain(**body["estimate"])
        return cls(**(body | lists | {"rules": RolloutRules(**rules), "estimate": estimate}))


def start_rollout(
    rules: RolloutRules, *, day: int, after: RolloutState | None = None
) -> RolloutState:
    """Begin with the first batch.

    Parameters
    ----------
    rules : RolloutRules
        What to do.
    day : int
        The first day.
    after : RolloutState or None, default None
        A rollout that is over: its policy is the incumbent.  None: the base is.

    Returns
    -------
    RolloutState
        The first batch runs.

    Examples
    --------
    >>> state = start_rollout(RolloutRules("base", ("a", "b", "c"), batches=2, stay=2), day=0)
    Traceback (most recent call last):
    equipoise.core.errors.InputError: stay and then must fall and be 1 or more; got [2, 6, 3]; ...
    """
    if after is not None and after.stage != "over":
        raise InputError("the rollout before", "be over", after.stage, fix="finish it first")
    policy, parents = (rules.base, ()) if after is None else (after.policy, after.parents)
    why = f"batch 1 of {rules.batches} begins"
    return RolloutState(
        rules, "batches", 1, day, day, rules.batch(1), policy=policy, parents=parents, why=why
    )


def advance(state: RolloutState, results: StageResults) -> RolloutState:
    """Take the next step, or wait.

    Parameters
    ----------
    state : RolloutState
        Where the rollout stands.
    results : StageResults
        What its log tells by now.

    Returns
    -------
    RolloutState
        The same where the results were seen before, or the rollout is over.

    Raises
    ------
    InputError
        Where the log ends before one that was seen, or a guard of the rules was not measured.

    Examples
    --------
    >>> rules = RolloutRules("base", ("a", "b"), batches=1, every_days=2, stay=1, then=())
    >>> state = start_rollout(rules, day=0)
    >>> effects = {"a": Gain(0.01, 0.01, 500.0, 2), "b": Gain(0.03, 0.01, 500.0, 2)}
    >>> state = advance(state, StageResults(1, effects))
    >>> state.stage, state.candidates, state.leaving, round(state.estimate.effect, 3)
    ('replace', ('b',), ('a',), 0.02)
    """
    last = results.digest()
    if state.stage == "over" or last == state.last:
        return state
    if state.day is not None and results.day < state.day:
        fix = "give the whole log, to its last day"
        raise InputError("the log", f"reach day {state.day} or later", results.day, fix=fix)
    state = replace(state, day=results.day, last=last, leaving=())
    return _replacement(state, results) if state.stage == "replace" else _stage_end(state, results)


def roll_back(state: RolloutState) -> RolloutState:
    """Point back to the policy before.

    Parameters
    ----------
    state : RolloutState
        A rollout with a parent.

    Returns
    -------
    RolloutState
        Over; its policy is the parent.

    Raises
    ------
    InputError
        Where there is no parent.

    Examples
    --------
    >>> rules = RolloutRules("base", ("a",), batches=1, stay=1, then=())
    >>> state = replace(start_rollout(rules, day=0), policy="a", parents=("base",))
    >>> roll_back(state).policy
    'base'
    """
    if not state.parents:
        fix = "nothing was replaced yet"
        raise InputError("the policy", "have a parent", repr(state.policy), fix=fix)
    why = f"{state.policy!r} gives way to its parent {state.parents[0]!r}"
    return replace(
        state,
        stage="over",
        running=(),
        leaving=state.running,
        candidates=(),
        policy=state.parents[0],
        parents=state.parents[1:],
        decision="roll back",
        why=why,
    )


def shrunk(effects: Mapping[str, Gain]) -> dict[str, Gain]:
    """Draw effects towards what all of them show.

    Parameters
    ----------
    effects : mapping of str to Gain
        Of all that were tested, those that left too.

    Returns
    -------
    dict of str to Gain
        Posterior means and deviations under a normal prior fitted on them; one alone stays.

    Examples
    --------
    >>> effects = {"a": Gain(0.0, 1.0), "b": Gain(0.5, 1.0)}  # no more apart than by chance
    >>> round(shrunk(effects)["b"].effect, 3)
    0.25
    """
    if len(effects) < 2:
        return dict(effects)
    gains = list(effects.values())
    mean, covariance = pooled(
        np.array([[gain.effect] for gain in gains]),
        np.array([[[max(gain.std_error, 1e-12) ** 2]] for gain in gains]),
        [np.array([0])],
    )
    return {
        name: replace(gain, effect=float(m), std_error=float(math.sqrt(max(v, 0.0))))
        for name, gain, m, v in zip(effects, gains, mean[:, 0], covariance[:, 0, 0], strict=True)
    }


def _stage_end(state: RolloutState, results: StageResults) -> RolloutState:
    """At the end of a batch or halving the best stay, and the next stage begins."""
    rules = state.rules
    days = results.day - state.since + 1
    if days < rules.every_days:
        why = f"{max(days, 0)} of {rules.every_days} days of {state.stage} {state.number} are over"
        return replace(state, decision="wait", why=why)
    missing = [name for name in state.running if name not in results.effects]
    if missing:
        why = f"no effect of {', '.join(missing)} yet: two days beside the base are needed"
        return replace(state, decision="wait", why=why)
    ranked = sorted(state.running, key=lambda name: (-results.effects[name].effect, name))
    step = replace(state, since=results.day + 1, decision="next")
    if state.stage == "batches" and state.number < rules.batches:
        number, size, more = state.number + 1, rules.stay, rules.batch(state.number + 1)
        why = f"the best {len(ranked[:size])} stay, batch {number} of {rules.batches} joins"
    else:
        number, more = 1 if state.stage == "batches" else state.number + 1, ()
        if number > len(rules.then):
            return _candidate(step, results, ranked[0], tuple(ranked[1:]))
        size, step = rules.then[number - 1], replace(step, stage="halving")
        why = f"the best {len(ranked[:size])} stay, by rank of effects by day"
    running, leaving = (*ranked[:size], *more), tuple(ranked[size:])
    return replace(step, number=number, running=running, leaving=leaving, why=why)


def _candidate(
    state: RolloutState, results: StageResults, best: str, leaving: tuple[str, ...]
) -> RolloutState:
    """The best of the last stage meets the incumbent."""
    gain = results.effects[best]
    estimate = shrunk(results.effects)[best]
    said = f"{best!r} is best: {gain.effect:.4g} over the base, {estimate.effect:.4g} when shrunk"
    if best == state.policy or estimate.effect <= 0 and state.policy == state.rules.base:
        why = f"{said}; {state.policy!r} stays"
        return replace(
            state,
            stage="over",
            running=(),
            leaving=leaving,
            estimate=estimate,
            decision="keep",
            why=why,
        )
    a_day = gain.rows / max(gain.days, 1)
    return replace(
        state,
        stage="replace",
        number=1,
        running=tuple(
            dict.fromkeys((best, *(() if state.policy == state.rules.base else (state.policy,))))
        ),
        leaving=leaving,
        candidates=(best,),
        estimate=estimate,
        n_star=max(a_day * state.rules.least_days, 1.0),
        why=f"{said}; it meets {state.policy!r} on fresh traffic",
    )


def _replacement(state: RolloutState, results: StageResults) -> RolloutState:
    """Replace, keep or wait."""
    rules, best = state.rules, state.candidates[0]
    for guard in rules.guards:
        if results.fresh is not None and guard not in results.guards:
            fix = among(guard, results.guards, "measured")
            raise InputError("a guard", "be measured", repr(guard), fix=fix)
    low, high = _interval(state, results.fresh)
    reasons = _unmet(state, results, low)
    ends = f"its gain over {state.policy!r} lies in {low:.4g}..{high:.4g}"
    if not reasons:
        return replace(
            state,
            stage="over",
            running=(),
            candidates=(),
            policy=best,
            parents=(state.policy, *state.parents),
            decision="replace",
            why=f"{best!r} replaces {state.policy!r}: {ends}",
        )
    late = results.day - state.since + 1 >= rules.most_days
    if high < 0 or late:
        why = f"{state.policy!r} stays: " + ("; ".join(reasons) if late else ends)
        return replace(
            state,
            stage="over",
            running=(),
            leaving=(best,),
            candidates=(),
            decision="keep",
            why=why,
        )
    return replace(state, decision="wait", why="; ".join(reasons))


def _interval(state: RolloutState, gain: Gain | None) -> tuple[float, float]:
    """The ends of the confidence sequence of a gain."""
    if gain is None or gain.rows <= 0:
        return -math.inf, math.inf
    low, high = confidence_sequence(
        gain.effect, gain.std_error, gain.rows, n_star=state.n_star, level=state.rules.level
    )
    return float(low), float(high)


def _unmet(state: RolloutState, results: StageResults, low: float) -> list[str]:
    """What still stands against a replacement."""
    rules = state.rules
    fresh, days = results.fresh, set(results.fresh_days)
    reasons = []
    if not low > 0:
        reasons.append(f"the lower end of its gain is {low:.4g}, not above 0")
    for metric, least in rules.guards.items():
        gain = results.guards.get(metric)
        if gain is None or fresh is None or gain.rows <= 0:
            reasons.append(f"{metric} is not measured yet")
        elif not (end := _interval(state, gain)[0]) > least:
            reasons.append(f"the lower end of {metric} is {end:.4g}, not above {least:g}")
    if len(days) < rules.least_days:
        reasons.append(f"{len(days)} of {rules.least_days} fresh days")
    weekends = sum((day - rules.monday) % 7 == 5 and day + 1 in days for day in days)
    if weekends < WEEKENDS:
        reasons.append(f"{weekends} of {WEEKENDS} weekends")
    if results.alarm_day is not None and results.day - results.alarm_day < rules.stable_days:
        reasons.append(
            f"an alarm on day {results.alarm_day}, fewer than {rules.stable_days} days ago"
        )
    if not results.settled and results.carry_over is not False:
        flag = "flags" if results.carry_over else "was not made"
        reasons.append(f"the carry-over test {flag}: count the settled window only")
    return reasons


def _plain(number: Any) -> Any:
    """A number of numpy as one of Python."""
    return number.item()


def _digest(value: Any) -> str:
    """The sha256 of JSON in one spelling."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()
