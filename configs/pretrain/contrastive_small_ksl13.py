from mmengine.config import read_base

with read_base():
    from .._base_.data_ksl13 import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_small_sets import *

# Some 1,900 clips a fold, five folds.
schedule = dict(epochs=6, batch_size=32)
