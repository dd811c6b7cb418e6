"""Formulas of base scores, searched: what practitioners rank by, and the safe fallback."""
