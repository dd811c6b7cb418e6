"""FormulaSearch: the base of the formulas whose weights are searched."""

from __future__ import annotations

import logging
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError, MissingExtra
from equipoise.ranking.base import Ranker
from equipoise.ranking.criterion import mean_auc
from equipoise.ranking.formulas.forms import (
    FORMS,
    LEAST_ALPHA,
    LEAST_C,
    MOST_ALPHA,
    MOST_C,
    Spreads,
    terms,
)
from equipoise.ranking.rows import RankingRows


class FormulaSearch(Ranker):
    """Base of the formulas: the best of some forms, by trials that begin with each score alone.

    A subclass says which forms compete.

    Parameters
    ----------
    trials : int, default 200
        Evaluations of the search, divided among the forms.
    objective_weight : mapping or array, (M,), default None
        What each objective counts; None: all alike.
    scores : str, default "probability"
        What base scores are: "probability" or "number".
    random_state : int, default 0
        Of the search.
    """

    kind = "formula"

    def __init__(
        self,
        trials: int = 200,
        *,
        objective_weight: Any = None,
        scores: str = "probability",
        random_state: int = 0,
    ) -> None:
        self.trials = trials
        self.objective_weight = objective_weight
        self.scores = scores
        self.random_state = random_state

    @property
    @abstractmethod
    def _competing(self) -> Sequence[str]:
        """The forms asked for."""

    def _learn(self, rows: RankingRows, held: RankingRows | None) -> None:
        forms = self._checked_forms()
        judged = rows if held is None else held
        if np.isnan(mean_auc(np.zeros(len(judged)), judged, self.weight_)):
            what = "the rows that formulas are searched on" if held is None else "eval_set"
            fix = "give rows with labels 0 and labels 1 of an objective in one group"
            raise InputError(what, "have an objective of both kinds", "none", fix=fix)
        seen = Spreads.learn(rows.scores)
        best = -np.inf
        for form in forms:
            search = _Search(form, judged, seen, self.weight_)
            value, weights, constants = search.run(self.trials // len(forms), self.random_state)
            if value > best:
                best = value
                self.form_, self.parameters_, self.constants_ = form, weights, constants
        self.seen_ = vars(seen)

    def _fused(self, scores: Floats, profile: Floats) -> Floats:
        values = terms(self.form_, scores, Spreads(**self.seen_), self.constants_)
        if self.parameters_.shape != values.shape[1:]:  # of a forged snapshot
            raise ValueError(f"{self.parameters_.shape} weights of {values.shape[1]} terms")
        fused: Floats = (values * self.parameters_).sum(axis=1)
        return fused

    def _checked_forms(self) -> list[str]:
        """The forms that compete."""
        forms = self._competing
        strange = [form for form in forms if form not in FORMS]
        if strange or not forms:
            raise InputError("forms", f"be among {', '.join(FORMS)}", strange or "none")
        able = [form for form in forms if form != "product" or self.scores == "probability"]
        if not able:
            fix = "use a sum or a fusion of ranks, or say scores='probability'"
            raise InputError("a product's scores", "be probabilities", self.scores, fix=fix)
        least = len(able) * 3
        if not isinstance(self.trials, int) or self.trials < least:
            raise InputError("trials", f"be a whole number >= {least}", self.trials)
        return able


class _Search:
    """The search for one form's weights and constants."""

    def __init__(self, form: str, rows: RankingRows, seen: Spreads, weight: Floats) -> None:
        self.form, self.rows, self.seen, self.weight = form, rows, seen, weight
        self.size = rows.scores.shape[1]

    def run(self, trials: int, seed: int) -> tuple[float, Floats, Floats]:
        """The best mean AUC, and the weights and constants that reach it."""
        optuna = _optuna()
        with _quiet(optuna), warnings.catch_warnings():
            # before version 5 optuna warns that the argument is experimental
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True)
            study = optuna.create_study(direction="maximize", sampler=sampler)
            for start in self._starts()[: trials // 2 + 1]:
                study.enqueue_trial(start)
            study.optimize(self._value, n_trials=trials)
        return (study.best_value, *self._asked(study.best_trial.params.get))

    def _value(self, trial: Any) -> float:
        """The mean AUC of one trial."""

        def ask(name: str, default: float) -> float:
            if name.startswith("weight"):
                return float(trial.suggest_float(name, 0.0, 1.0))
            low, high = (LEAST_C, MOST_C) if name == "c" else (LEAST_ALPHA, MOST_ALPHA)
            return float(trial.suggest_float(name, low, high, log=True))

        weights, constants = self._asked(ask)
        values = terms(self.form, self.rows.scores, self.seen, constants)
        return mean_auc((values * weights).sum(axis=1), self.rows, self.weight)

    def _asked(self, ask: Callable[[str, float], Any]) -> tuple[Floats, Floats]:
        """Weights (S,) and constants, each asked for by its name."""
        weights = np.array([ask(f"weight{j}", 0.0) for j in range(self.size)])
        names = {"sum": [], "product": [f"alpha{j}" for j in range(self.size)], "rank": ["c"]}
        return weights, np.array([ask(name, 1.0) for name in names[self.form]], np.float64)

    def _starts(self) -> list[dict[str, float]]:
        """Equal weights, and each score alone; constants as the search draws them."""
        rest = {"sum": {}, "product": {f"alpha{j}": 0.1 for j in range(self.size)}}
        fixed: dict[str, float] = rest.get(self.form, {"c": 10.0})
        alone = [[float(i == j) for i in range(self.size)] for j in range(self.size)]
        return [
            {f"weight{j}": w for j, w in enumerate(weights)} | fixed
            for weights in ([1.0] * self.size, *alone)
        ]


def _optuna() -> Any:
    try:
        return import_module("optuna")
    except ImportError as error:
        fix = 'pip install "equipoise[search]"'
        what = "optuna"
        raise MissingExtra(what, "be installed to search", "no such module", fix=fix) from error


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Optuna says warnings only, for a while."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
