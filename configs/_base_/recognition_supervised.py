# All labels. The frame rate is known: crops keep their pace. Rates by layer and averaged weights as
# measured on NW-UCLA.
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
