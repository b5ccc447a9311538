from mmengine.config import read_base

with read_base():
    from .._base_.data_ksl13 import *
    from .._base_.encoder_small import *

# Some 1,900 clips a fold: six epochs keep the five folds within half an hour on one core.
schedule = dict(epochs=6, batch_size=64, learning_rate=1e-3, threads=1)
