"""The array types that signatures name.  Shapes stand in docstrings; n units, k candidates, m
metrics.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
