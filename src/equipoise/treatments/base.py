"""The registry of spaces.  A new space is one file and one line here;
`tests/contract/test_spaces.py` then checks it.
"""

from __future__ import annotations

import inspect
from typing import Any

from equipoise.core.errors import EquipoiseError, SpaceError
from equipoise.core.registry import Registry
from equipoise.core.space import Space
from equipoise.core.suggest import among

SPACES = Registry(
    "space",
    {
        "arms": "equipoise.treatments.arms:Arms",
        "factors": "equipoise.treatments.factors:Factors",
        "bits": "equipoise.treatments.bits:Bits",
        "shares": "equipoise.treatments.shares:Shares",
        "dose": "equipoise.treatments.dose:Dose",
        "schedule": "equipoise.treatments.schedule:Schedule",
    },
)


def space_from_json(spec: dict[str, Any]) -> Space:
    """Build the space that `to_json` described; a plan's ``[space]`` has the same form.

    Parameters
    ----------
    spec : dict
        ``{"kind": ..., **constructor arguments}``; the kind is a name in `SPACES`.

    Returns
    -------
    Space
        The space.

    Raises
    ------
    SpaceError
        Where the kind is missing, or an argument is none of the constructor's.
    InputError
        Where the kind is unknown.

    Examples
    --------
    >>> space_from_json({"kind": "arms", "labels": ["none", "mail"]})
    Arms(['none', 'mail'])
    """
    if "kind" not in spec:
        raise SpaceError(
            "a space", "say its kind", spec, fix=f"add kind = one of {', '.join(SPACES)}"
        )
    cls = SPACES.load(spec["kind"])
    arguments = {key: value for key, value in spec.items() if key != "kind"}
    known = inspect.signature(cls).parameters
    for key in arguments:
        if key not in known:
            fix = among(str(key), known, "known keys")
            what = f"key {key!r} of space {spec['kind']!r}"
            raise SpaceError(what, "be known", repr(arguments[key]), fix=fix)
    try:
        space: Space = cls(**arguments)
        space.names([space.control]), space.names(space.candidates()), space.describe()
    except EquipoiseError:
        raise
    except (TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
        raise SpaceError(
            f"space {spec['kind']!r}",
            "have known settings of the right types",
            sorted(arguments),
            fix=str(error),
        ) from error
    return space
