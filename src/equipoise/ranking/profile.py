"""The columns of a viewer's profile, remembered so that later rows are read the same way."""

from __future__ import annotations

from typing import Any

import numpy as np

from equipoise.core.arrays import Floats
from equipoise.core.errors import InputError
from equipoise.core.features import FittedColumns


class ProfileColumns(FittedColumns):
    """Columns of profiles as numbers: text by `core.features.FeatureMap`, a level never seen in fit
    by its pool of new ones, a missing number by NaN.

    Examples
    --------
    >>> columns = ProfileColumns()
    >>> columns.learn({"city": ["Oslo", "Rome", "Oslo"], "age": [31, 64, None]}, 3).shape
    (3, 3)
    >>> columns.read({"age": [9], "city": ["Lima"]}, 2).tolist()
    [[0.0, 0.0, 9.0], [0.0, 0.0, 9.0]]
    """

    def learn(self, profile: Any, n: int) -> Floats:
        """Remember the columns; give them as numbers.

        Parameters
        ----------
        profile : frame, array or None, (n, P)
            None where there is no profile.
        n : int
            The number of rows.

        Returns
        -------
        array, (n, P')
            Text as 0/1 columns or ranks.
        """
        if profile is None:
            self.feature_names_in_, self.n_features_in_ = np.empty(0, object), 0
            self.encoding_ = None
            return np.empty((n, 0))
        values, _ = self._fit_columns(profile)
        _check_rows(values, n)
        return values

    def read(self, profile: Any, n: int) -> Floats:
        """The columns of fit as numbers.

        Parameters
        ----------
        profile : frame, array or None, (n, P) or (1, P)
            One row stands for all: the viewer of a request.
        n : int
            The number of rows.

        Returns
        -------
        array, (n, P')
            Text as 0/1 columns or ranks.
        """
        if profile is None:
            if self.n_features_in_:
                names = ", ".join(map(str, self.feature_names_in_[:8]))
                fix = f"give the columns of fit: {names}"
                raise InputError("profile", "be given as in fit", None, fix=fix)
            return np.empty((n, 0))
        if not self.n_features_in_:
            fix = "leave it out, or fit with a profile"
            raise InputError("profile", "be left out as in fit", type(profile).__name__, fix=fix)
        values = self._as_fitted(profile)
        if len(values) == 1 != n:
            return np.broadcast_to(values, (n, values.shape[1]))
        _check_rows(values, n)
        return values

    def to_json(self) -> dict[str, Any]:
        """What was learnt, as plain JSON.

        Returns
        -------
        dict
            ``columns`` and ``encoding``.
        """
        columns = [str(name) for name in self.feature_names_in_]
        return {"columns": columns, "encoding": self.encoding_}

    @classmethod
    def from_json(cls, plain: dict[str, Any]) -> ProfileColumns:
        """The inverse of `to_json`.

        Parameters
        ----------
        plain : dict
            What `to_json` gave.

        Returns
        -------
        ProfileColumns
            As learnt.
        """
        self = cls()
        self.feature_names_in_ = np.asarray(plain["columns"], dtype=object)
        self.n_features_in_, self.encoding_ = len(plain["columns"]), plain["encoding"]
        return self


def _check_rows(values: Floats, n: int) -> None:
    if len(values) != n:
        raise InputError("profile", f"have one row for each of X's {n}", len(values))
