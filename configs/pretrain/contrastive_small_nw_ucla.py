from mmengine.config import read_base

with read_base():
    from .._base_.data_nw_ucla import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# Cameras differ by their direction, and each camera's skeletons err in a way of their own: views
# differ by a turn, and their limbs by small ones.
augment = dict(
    rotation=0.8, tilt=0.2, drop_keypoint=0.2, part_shift=0.1, part_turn=0.3, part_scale=0.1
)
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
# Many small steps.
schedule = dict(epochs=100, batch_size=16, checkpoint_interval=10)
monitor = dict(interval=20)
