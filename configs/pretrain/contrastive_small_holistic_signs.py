from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.encoder_small import *

schedule = dict(epochs=20, batch_size=64, learning_rate=1e-3)
