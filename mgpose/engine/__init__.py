"""Training under MMEngine: the only folder that imports it."""
