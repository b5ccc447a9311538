from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_small_sets import *

# Some 1,100 clips a fold, seven folds.
schedule = dict(epochs=12, batch_size=32)
