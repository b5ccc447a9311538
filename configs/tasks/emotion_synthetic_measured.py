from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *

# The emotion task alone. In this corpus the label moves rates and amplitudes of gestures, not their
# order in time.
tasks = dict(emotion=dict())
# The classifiers repeat themselves over seeds of their own.
seeds = (0,)
threads = 1
