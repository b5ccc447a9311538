"""Poses that other software made, into a store: one reader a format, ``import_pose`` above."""
