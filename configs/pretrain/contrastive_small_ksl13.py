from mmengine.config import read_base

with read_base():
    from .._base_.data_ksl13 import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# Some 1,900 clips a fold, five folds.
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=6, batch_size=32)
