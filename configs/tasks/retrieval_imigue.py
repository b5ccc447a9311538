from mmengine.config import read_base

with read_base():
    from .._base_.data_imigue import *
    from .._base_.retrieval import *
