from mmengine.config import read_base

with read_base():
    from .._base_.study_encoder import *

# Two people on whom constants are chosen (README).
config = "configs/pretrain/contrastive_small_holistic_signs.py"
folds = ("p04", "p08")
options = {"schedule.threads": 1}
# As configs/tasks/all_holistic_signs.py from scratch.
finetune = dict(
    epochs=12,
    learning_rate=1e-3,
    head_rate=1.0,
    batch_size=32,
    weight_average=0.99,
    mirror_average=True,
    augment=dict(
        crop=0.7, rotation=0.3, shear=0.25, drop_keypoint=0.2, drop_part=0.2,
        part_shift=0.3, part_turn=0.4, part_scale=0.2,
    ),
)  # fmt: skip
