from mmengine.config import read_base

with read_base():
    from .._base_.data_synthetic_measured import *

# Classes as unequal as iMiGUE's (the generator's own mix): what the options for a long tail do to
# Top-1 and to the mean over classes. Other people than those of the measured corpus:
# tools/make_synthetic.py data/synthetic_long_tail --level measured --subjects 24 --videos 2 \
#     --seconds 150 --seed 1
# Clips as those of the shipped model: tools/evaluate.py THIS small-signs --out FOLDER
data.update(
    name="synthetic corpus, long tail",
    store="data/synthetic_long_tail",
    clip=dict(frames=32, rate=25.0, max_crops=2),
)
seeds = (0, 1, 2)
tasks = dict(
    recognition_supervised=dict(
        finetune=dict(epochs=10, augment=dict(crop=0.7, drop_part=0.1, stretch=False)),
        long_tail=dict(logit_adjustment=1.0, retraining_epochs=10),
    ),
)
threads = 1
