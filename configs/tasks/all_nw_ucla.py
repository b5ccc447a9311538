from mmengine.config import read_base

with read_base():
    from .._base_.data_nw_ucla import *

seeds = (0, 1, 2)
_finetune = dict(augment=dict(crop=0.7, rotation=0.5, tilt=0.1, drop_part=0.1))
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(draws=5, finetune=dict(min_steps=60, **_finetune)),
    recognition_supervised=dict(finetune=dict(epochs=20, **_finetune), ensemble=True),
    retrieval=dict(),
)
threads = 1
