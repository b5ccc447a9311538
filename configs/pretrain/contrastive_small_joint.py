from mmengine.config import read_base

with read_base():
    from .._base_.encoder_small import *
    from .._base_.joint_list import *
    from .._base_.pretrain_recipe import *

# Sets differ in people, cameras and signs: views move whole parts as in supervised training.
augment = dict(drop_keypoint=0.2, part_shift=0.3, part_turn=0.4, part_scale=0.2)
# Clips are whole performances but for the synthetic ones: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=16, batch_size=32, checkpoint_interval=4)
monitor = dict(interval=4)
