from mmengine.config import read_base

with read_base():
    from .contrastive_small_joint import *

further = [one for one in further if one["name"] != "KSL-13"]
