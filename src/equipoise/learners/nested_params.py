"""Parameters of a base model that is the default None, as in ``outcome_model__num_leaves``.

None stands for a model that fit chooses by the number of rows.  A nested parameter needs a model to
be set on, so the slot is filled first, by a model with the defaults of its class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from equipoise.core.errors import InputError
from equipoise.learners.base_learners import BoostedTrees


class NestedParams:
    """What an estimator adds to scikit-learn's ``set_params``.

    Examples
    --------
    >>> from equipoise.estimators import DRLearner
    >>> DRLearner().set_params(outcome_model__n_estimators=5)
    DRLearner(outcome_model=BoostedTrees(n_estimators=5))
    """

    slots: ClassVar[dict[str, Callable[[], Any]]] = {
        "outcome_model": BoostedTrees,
        "effect_model": BoostedTrees,
        "treatment_model": BoostedTrees,
        "model": BoostedTrees,
    }

    def set_params(self, **params: Any) -> Self:
        """Set parameters by name, those of a part by ``part__name``.

        Parameters
        ----------
        **params : dict
            New values.  A base model that is None is first replaced by its class's default.

        Returns
        -------
        NestedParams
            Itself.

        Raises
        ------
        InputError
            Where there is no parameter of that name.

        Examples
        --------
        >>> from equipoise.estimators import TLearner
        >>> TLearner().set_params(outcome_model__num_leaves=4).outcome_model.num_leaves
        4
        """
        own = {key: value for key, value in params.items() if "__" not in key}
        nested = {key: value for key, value in params.items() if key not in own}
        try:
            super().set_params(**own)  # type: ignore[misc]
            for name in {key.partition("__")[0] for key in nested} & set(self.slots):
                if getattr(self, name, "absent") is None:
                    setattr(self, name, self.slots[name]())
            super().set_params(**nested)  # type: ignore[misc]
        except (ValueError, AttributeError) as error:
            names = ", ".join(self.get_params(deep=False))  # type: ignore[attr-defined]
            what, fix = f"a parameter of {type(self).__name__}", f"its own are {names}"
            raise InputError(what, "be one that it has", str(error), fix=fix) from error
        return self
