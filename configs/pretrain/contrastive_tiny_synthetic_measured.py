from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *
    from .._base_.encoder_tiny import *

# What the sampling of good windows is worth: run it again with sampling.quality=False.
augment = dict(stretch=False)
# Two views and no mixed clips: the cheap form of the objective, for two CPU cores.
views = dict(local=0)
objective = dict(mixed=0.0)
# About a quarter of the windows an epoch, or the weights would decide nothing.
sampling = dict(quality=True, samples=2560)
schedule = dict(epochs=14, batch_size=64, learning_rate=1e-3, threads=1)
monitor = dict(interval=7, clips=512)
