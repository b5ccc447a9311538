from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# Motion and confidence tell recorders apart more than signs (configs/RESULTS.md).
encoder.update(without=["motion", "confidence"])
# People hold their hands each in their own way: as strong as in supervised training.
augment = dict(drop_keypoint=0.2, part_shift=0.3, part_turn=0.4, part_scale=0.2)
# Some 1,100 clips a fold, seven folds.
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
schedule = dict(epochs=5, batch_size=32)
