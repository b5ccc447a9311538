from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# Some 1,100 clips a fold, seven folds.
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=12, batch_size=32)
