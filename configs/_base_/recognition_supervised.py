# All labels. The frame rate is known: crops keep their pace. Rates by layer are the field's
# convention and NW-UCLA's; on the signs, where people differ, they cost (configs/RESULTS.md): to
# see, finetune.layer_decay=1.0 with data.tuning=True.
tasks = dict(
    recognition_supervised=dict(
        finetune=dict(
            epochs=20,
            layer_decay=0.8,
            weight_average=0.99,
            augment=dict(crop=0.7, drop_part=0.1, stretch=False),
        )
    )
)
