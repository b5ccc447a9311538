from mmengine.config import read_base

with read_base():
    from .._base_.data_imigue import *

# The split of CVPR 2021 as it was published: people stand in both halves, and the report says so.
# The label is the outcome of the match, not a felt emotion.
data["protocol"] = "imigue_emotion_cvpr2021_as_published"
tasks = dict(emotion=dict(positive="win"))
# The classifiers repeat themselves over seeds of their own.
seeds = (0,)
