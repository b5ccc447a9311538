from mmengine.config import read_base

with read_base():
    from .._base_.data_nw_ucla import *
    from .._base_.tasks_real import *
