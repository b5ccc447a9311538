from mmengine.config import read_base

with read_base():
    from .._base_.data_holistic_signs import *
    from .._base_.tasks_real import *

threads = 1
