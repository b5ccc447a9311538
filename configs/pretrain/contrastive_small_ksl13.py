from mmengine.config import read_base

with read_base():
    from .._base_.data_ksl13 import *
    from .._base_.encoder_small import *

# Some 1,900 clips a fold; six epochs for five folds. views.local=0 and objective.mixed=0 halve the
# time of a step, should the whole have to stay within the hour.
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=6, batch_size=64, learning_rate=1e-3, threads=1)
