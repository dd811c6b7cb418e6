"""The room of data: public experiments, and simulators whose truth is known.

The names are those of `equipoise.data`, and are imported on first use.
"""

from equipoise.data import CARDS as CARDS
from equipoise.data import DATASETS as DATASETS
from equipoise.data import SIMULATORS as SIMULATORS
from equipoise.data import __all__ as __all__
from equipoise.data import __dir__ as __dir__
from equipoise.data import __getattr__ as __getattr__
