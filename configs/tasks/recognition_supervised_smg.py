from mmengine.config import read_base

with read_base():
    from .._base_.data_smg import *
    from .._base_.recognition_supervised import *
