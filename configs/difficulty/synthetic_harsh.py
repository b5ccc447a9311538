from mmengine.config import read_base

with read_base():
    from .._base_.difficulty import *

# The README says how the store is made.
data = dict(
    name="synthetic corpus, harsh",
    store="data/synthetic_harsh",
    protocol="synthetic",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32, rate=12.5, max_crops=2),
    synthetic=True,
)
