"""Poses of a store for other software: one writer a format, ``export_poses`` above."""
