seeds = (0, 1, 2)
# People differ in where and how large they hold their hands: whole parts are moved.
_parts = dict(part_shift=0.3, part_turn=0.4, part_scale=0.2)
_augment = dict(crop=0.7, rotation=0.3, shear=0.25, drop_keypoint=0.2, drop_part=0.2, **_parts)
_same = dict(
    epochs=12, batch_size=32, weight_average=0.99, mirror_average=True, augment=_augment
)  # fmt: skip
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(draws=5, finetune=dict(min_steps=40, augment=_augment)),
    recognition_supervised=dict(
        # With the rates from scratch: half of them, and less by layer, keep what pre-training
        # learnt of the people (configs/RESULTS.md).
        finetune=dict(learning_rate=1e-3, head_rate=1.0, **_same),
        scratch=dict(learning_rate=1e-3, head_rate=1.0, **_same),
        ensemble=True,
    ),
    retrieval=dict(),
)
