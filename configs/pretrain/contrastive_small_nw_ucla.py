from mmengine.config import read_base

with read_base():
    from .._base_.data_nw_ucla import *
    from .._base_.encoder_small import *

# Cameras differ by their direction: views differ by a turn about the vertical.
augment = dict(rotation=0.5, tilt=0.1)
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=30, batch_size=64, learning_rate=1e-3, threads=1)
