from mmengine.config import read_base

with read_base():
    from .contrastive_small_joint import *

further = [one for one in further if not one["name"].startswith("NW-UCLA")]
