from mmengine.config import read_base

with read_base():
    from .._base_.study_encoder import *

# Two people on whom constants are chosen (README).
config = "configs/pretrain/contrastive_small_holistic_signs.py"
folds = ("p04", "p08")
# That config switches two ingredients off; here they are rows.
options = {"schedule.threads": 1, "encoder.without": []}
variants.insert(
    1, dict(name="without motion and confidence",
            options={"encoder.without": ["motion", "confidence"]}),
)  # fmt: skip
# As configs/tasks/all_holistic_signs.py from scratch.
finetune.update(
    epochs=12,
    augment=dict(
        crop=0.7, rotation=0.3, shear=0.25, drop_keypoint=0.2, drop_part=0.2,
        part_shift=0.3, part_turn=0.4, part_scale=0.2,
    ),
)  # fmt: skip
