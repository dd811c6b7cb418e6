"""Nets of effects, one file each.  They need torch: the extra ``deep``."""

from equipoise.neural import require_torch

require_torch()
