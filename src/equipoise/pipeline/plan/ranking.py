"""The table [ranking] of a plan: how candidates of a request are ranked for several objectives.

[ranking]       where the rows are, which column is what, which methods compete, and the floors
[ranking.base]  models of base scores to be learnt on the first rows  (absent: the file has scores)
[report], [run] title, level, seed and place, as for every job
"""

from __future__ import annotations

import math
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from equipoise.pipeline.plan.base import Amount, Names, PlanTable, Share, wrong

Moment = str | float | datetime | date
AUTO, FALLBACK = "auto", "formula"
RIVALS = ("best-single-score", FALLBACK, "balanced-bce", "harmonrank")
WHERE_OBJECTIVES = "[ranking.objectives]"
PARTS, BASE_PART = (0.6, 0.2, 0.2), 0.3


def _objective_tables(value: Any) -> Any:
    """``["buy", "like"]`` is short for a table with defaults for each."""
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        if len(set(value)) < len(value):
            raise wrong("name every objective once")
        value = {name: {} for name in value}
    if not isinstance(value, dict) or not value:
        raise wrong('be columns of labels, or a table such as {buy = {score = "p_buy"}}')
    if "mean" in value:
        raise wrong("name no objective 'mean', as the mean of all is called: rename the column")
    return value


def _moment(value: Any) -> Any:
    """A time as a file has it: a date, a number or a text."""
    good = isinstance(value, str | int | float | date) and not isinstance(value, bool)
    if not good or (isinstance(value, float) and not math.isfinite(value)):
        raise wrong("be a date, a number, or a text, as the column of times has them")
    return float(value) if isinstance(value, int) else value


def _parts(value: Any) -> Any:
    good = isinstance(value, list | tuple) and len(value) == 3
    if not good or not all(isinstance(x, int | float) and 0 < x < 1 for x in value):
        raise wrong("be three shares in (0, 1): of the rows that train, choose and test")
    if abs(sum(value) - 1) > 1e-9:
        raise wrong("be three shares that sum to 1")
    return tuple(map(float, value))


Time = Annotated[Any, BeforeValidator(_moment)]


class ObjectivePlan(PlanTable):
    """One objective.

    score : the base score that predicts it, which is held against it; where there is a score
        ``p_<objective>``, that one.   observed : a column that says where its label was observed.
    """

    score: str | None = None
    observed: str | None = None


class RankFloor(PlanTable):
    """On validation rows an objective may lose at most so much AUC against the formula: among the
    rows of a request, where the plan names requests.
    """

    objective: str
    lose: Share = 0.0


class BaseScoresPlan(PlanTable):
    """Base scores of our own, by models that see the first rows only.

    models : names of `equipoise.ranking.SCORE_MODELS`.   features : columns beside the profile.
    part : the share of the rows, the first in time; or until : the last time of these rows.
    """

    models: Names = ("trees",)
    features: Names = ()
    part: Annotated[float, Field(gt=0, lt=1)] | None = None
    until: Time | None = None

    @model_validator(mode="after")
    def _once(self) -> Self:
        if self.part is not None and self.until is not None:
            raise wrong("have part or until, one of them")
        if not self.models or len(set(self.models)) < len(self.models):
            raise wrong("name one model or more, each once")
        return self


class RankingPlan(PlanTable):
    """Which rows, which scores, which objectives, and what competes.

    path, dataset : a file, or a name of `pipeline.ranking.datasets.RANKING_LOGS`, which knows its
        columns.
    scores : columns of base scores, out of sample.   objectives : columns of labels 0 and 1.
    probabilities : whether scores are.   request : within which rows are ranked.   item : names the
        candidates of a request in what `equipoise score` writes.   user : who is drawn in
        intervals.   time : cuts the parts.   profile : columns of the viewer.   weight : of rows.
    parts : shares of train, validation and test rows; or until : the last times of the first two.
    pairs : what the loss compares: rows of "all" requests, or of one "request".
    method : the name of a ranker, or "auto" for the best of ``rivals`` on validation rows.
        params: its settings.   trials : evaluations of a formula's search.
    weights : of objectives.   floors : what an objective may lose.   sweep : choices of weights on
        the trade-off front, 0 for none.   segment : a profile column, for the gates.
    """

    path: str | None = None
    dataset: str | None = None
    scores: Names = ()
    objectives: Annotated[dict[str, ObjectivePlan], BeforeValidator(_objective_tables)] | None = (
        None
    )
    probabilities: bool = True
    request: str | None = None
    item: str | None = None
    user: str | None = None
    time: str | None = None
    profile: Names = ()
    weight: str | None = None
    parts: Annotated[Any, BeforeValidator(_parts)] = PARTS
    until: Annotated[tuple[Time, ...], Strict(strict=False)] = ()
    pairs: Literal["all", "request"] = "all"
    method: str = AUTO
    rivals: Names = RIVALS
    params: dict[str, Any] = {}
    trials: Annotated[int, Field(ge=9, le=100_000)] = 200
    weights: dict[str, Amount] | None = None
    floors: Annotated[tuple[RankFloor, ...], Strict(strict=False)] = ()
    sweep: Annotated[int, Field(ge=0, le=100)] = 9
    segment: str | None = None
    base: BaseScoresPlan | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.path is None) == (self.dataset is None):
            raise wrong('have path = "file" or dataset = "name", one of them')
        if self.path is not None and self.objectives is None:
            raise wrong("name the objectives of the file: its columns of labels")
        if self.path is not None and not self.scores and self.base is None:
            raise wrong("name the scores of the file, or models of them in [ranking.base]")
        return self

    @model_validator(mode="after")
    def _times(self) -> Self:
        cut = bool(self.until) or (self.base is not None and self.base.until is not None)
        if self.time is None and self.dataset is None and cut:
            raise wrong("name the column of times, since there is until")
        if self.until and len(self.until) != 2:
            raise wrong("have two times in until: the last of the train and of the validation rows")
        if self.until and "parts" in self.model_fields_set:
            raise wrong("have parts or until, one of them")
        if self.pairs == "request" and self.request is None and self.dataset is None:
            raise wrong("name the column of requests, since pairs are of a request")
        if self.item is not None and self.item in (self.request, self.user, self.time):
            raise wrong("name an item column that is not that of requests, users or times")
        return self

    @model_validator(mode="after")
    def _methods(self) -> Self:
        if len(set(self.rivals)) < len(self.rivals):
            raise wrong("name every rival once")
        if self.params and self.method == AUTO:
            raise wrong("name the method that params are of")
        if self.weights is not None and not any(self.weights.values()):
            raise wrong("give some objective a weight other than 0")
        return self

    @property
    def score_kind(self) -> str:
        """What a ranker is told of its base scores."""
        return "probability" if self.probabilities else "number"

    @property
    def methods(self) -> tuple[str, ...]:
        """All that compete: the named method, the rivals, and the formula as the fallback."""
        named = () if self.method == AUTO else (self.method,)
        return tuple(dict.fromkeys((*named, *self.rivals, FALLBACK)))
