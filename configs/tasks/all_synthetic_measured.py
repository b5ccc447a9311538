from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *

# All five tasks on generated data, as numbers that a change of the code can be checked against.
seeds = (0,)
_augment = dict(crop=0.7, drop_part=0.1, stretch=False)
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(draws=5, finetune=dict(min_steps=60, augment=_augment)),
    recognition_supervised=dict(finetune=dict(epochs=5, augment=_augment)),
    retrieval=dict(),
    emotion=dict(),
)
threads = 1
