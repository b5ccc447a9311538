from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *
    from .._base_.difficulty import *
