from mmengine.config import read_base

with read_base():
    from .._base_.encoder_small import *
    from .._base_.joint_list import *
    from .._base_.pretrain_recipe import *

# Clips are whole performances but for the synthetic ones: there is nothing to weigh.
# In mixed batches the sets are told apart instead of the clips (configs/RESULTS.md).
sampling = dict(quality=False, one_set=True)
schedule = dict(epochs=12, batch_size=32, checkpoint_interval=4)
monitor = dict(interval=4)
