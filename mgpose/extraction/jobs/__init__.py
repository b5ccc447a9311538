"""Many videos into one store, by processes and hosts that share it; ``batch`` is the way in."""
