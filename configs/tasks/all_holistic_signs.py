from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.tasks_real import *

tasks["recognition_supervised"] = dict(finetune=dict(epochs=8), ensemble=True)
threads = 1
