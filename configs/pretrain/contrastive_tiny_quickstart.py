from mmengine.config import read_base

with read_base():
    from .._base_.data_quickstart import *
    from .._base_.encoder_tiny import *

# The frame rate is known here: crops keep their pace and are padded, as the task's clips are.
augment = dict(stretch=False)
# The cheap form of the objective, for two CPU cores: what is left out did not help here either.
views = dict(local=0)
objective = dict(momentum=0.98, soft=0.0, time=0.0, masked=0.0, mixed=0.0)
# About two thirds of the windows an epoch: those with good poses that move come up more often.
sampling = dict(quality=True, samples=1152)
schedule = dict(epochs=10, batch_size=32, learning_rate=1e-3, threads=1)
monitor = dict(interval=2, clips=256)
