from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *
    from .._base_.encoder_tiny import *
    from .._base_.pretrain_recipe import *

augment = dict(stretch=False, drop_keypoint=0.2, part_shift=0.15, part_turn=0.3, part_scale=0.15)
# About a quarter of the windows an epoch, or the weights of the sampling would decide nothing.
# What they are worth: run it again with sampling.quality=False.
sampling = dict(quality=True, samples=2560)
schedule = dict(epochs=14, batch_size=32, threads=1)
monitor = dict(interval=7, clips=512)
