# All labels. The frame rate is known: crops keep their pace.
tasks = dict(
    recognition_supervised=dict(
        finetune=dict(epochs=20, augment=dict(crop=0.7, drop_part=0.1, stretch=False))
    )
)
