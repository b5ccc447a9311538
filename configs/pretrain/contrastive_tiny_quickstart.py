from mmengine.config import read_base

with read_base():
    from .._base_.data_quickstart import *
    from .._base_.encoder_tiny import *

# The frame rate is known here: crops keep their pace and are padded, as the task's clips are.
augment = dict(stretch=False)
# Two views and no mixed clips: the cheap form of the objective, for two CPU cores.
views = dict(local=0)
objective = dict(mixed=0.0)
# About two thirds of the windows an epoch: those with good poses that move come up more often.
sampling = dict(quality=True, samples=1152)
schedule = dict(epochs=10, batch_size=64, learning_rate=1e-3, threads=1)
monitor = dict(interval=2, clips=256)
