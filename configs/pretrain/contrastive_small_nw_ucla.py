from mmengine.config import read_base

with read_base():
    from .._base_.data_nw_ucla import *
    from .._base_.encoder_small import *

schedule = dict(epochs=20, batch_size=64, learning_rate=1e-3)
