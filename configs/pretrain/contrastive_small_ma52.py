from mmengine.config import read_base

with read_base():
    from .._base_.data_ma52 import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# The frame rate is known: crops keep their pace.
augment.update(stretch=False)
# Each clip is one micro-action and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=30, batch_size=128, learning_rate=1e-3)
