from mmengine.config import read_base

with read_base():
    from .._base_.data_quickstart import *

effort = "quick"
seeds = (0,)
_augment = dict(crop=0.7, drop_part=0.1, stretch=False)
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(
        fractions=(0.05, 0.2), draws=2, finetune=dict(min_steps=40, augment=_augment)
    ),
    recognition_supervised=dict(finetune=dict(epochs=8, augment=_augment)),
    retrieval=dict(),
    emotion=dict(),
)
threads = 1
