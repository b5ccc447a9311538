from mmengine.config import read_base

with read_base():
    from .._base_.study_encoder import *

# Camera 2 after training on camera 1: the test part is not touched.
config = "configs/pretrain/contrastive_small_nw_ucla.py"
options = {"data.tuning": True, "schedule.threads": 1}
# As configs/tasks/all_nw_ucla.py from scratch, a third of its epochs.
finetune.update(
    epochs=40,
    augment=dict(
        crop=0.5, rotation=0.8, tilt=0.2, drop_keypoint=0.2, drop_part=0.1,
        part_shift=0.1, part_turn=0.3, part_scale=0.1,
    ),
)  # fmt: skip
