from mmengine.config import read_base

with read_base():
    from .contrastive_small_imigue import *

# For configs/tasks/emotion_cvpr2021_imigue.py, whose test videos differ: none of them is seen.
data["protocol"] = "imigue_emotion_cvpr2021_as_published"
