from mmengine.config import read_base

with read_base():
    from .._base_.data_imigue import *

# The split of MiGA. The label is the outcome of the match, not a felt emotion.
data["protocol"] = "imigue_emotion_cross_subject"
tasks = dict(emotion=dict(positive="win"))
# The classifiers repeat themselves over seeds of their own.
seeds = (0,)
