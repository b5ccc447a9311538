from mmengine.config import read_base

with read_base():
    from .._base_.frozen import *
    from .._base_.joint_list import *

del further  # noqa: F821
