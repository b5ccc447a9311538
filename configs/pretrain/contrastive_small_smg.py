from mmengine.config import read_base

with read_base():
    from .._base_.data_smg import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# The frame rate is known: crops keep their pace.
augment.update(stretch=False)
# Long videos: an epoch sees this many windows, good poses that move more often.
sampling = dict(quality=True, samples=10000)
schedule = dict(epochs=30, batch_size=128, learning_rate=1e-3)
