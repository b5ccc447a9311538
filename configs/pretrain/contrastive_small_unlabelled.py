from mmengine.config import read_base

with read_base():
    from .._base_.encoder_small import *
    from .._base_.pretrain_recipe import *

# Your own videos, without labels: tools/extract_pose.py my_videos/ --out data/mine
data = dict(name="own videos", store="data/mine", protocol="unlabelled", clip=dict(frames=32))
# The frame rate is known: crops keep their pace.
augment.update(stretch=False)
# Of a larger store an epoch sees this many windows, good poses that move more often.
sampling = dict(quality=True, samples=20000)
schedule = dict(epochs=20, batch_size=64, learning_rate=1e-3)
