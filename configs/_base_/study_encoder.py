# What each ingredient of the encoder is worth: one is taken away at a time; then other encoders.
variants = [
    dict(name="small, all ingredients"),
    *(
        dict(name=f"without {name.replace('_', ' ')}", options={"encoder.without": [name]})
        for name in (
            "local",
            "bone",
            "direction",
            "angle",
            "motion",
            "confidence",
            "missing_mask",
            "hop_bias",
            "walk_encoding",
            "keypoint_attention",
            "part_weights",
        )
    ),
    dict(name="ST-GCN", options={"encoder.architecture": "st_gcn"}),
    dict(name="transformer without a graph", options={"encoder.architecture": "plain_transformer"}),
]
measure = "from_scratch"
seeds = (0, 1)
# As the tasks train from scratch, with less time.
finetune = dict(
    learning_rate=1e-3, head_rate=1.0, batch_size=32, weight_average=0.99, mirror_average=True
)
