"""Nets of base scores and a viewer's profile, one loss or one missing part each."""
