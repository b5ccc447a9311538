# 1, 5 and 10 % of the labels, five draws. The frame rate is known: crops keep their pace.
tasks = dict(
    recognition_semi_supervised=dict(
        draws=5,
        finetune=dict(
            epochs=20, min_steps=80, augment=dict(crop=0.7, drop_part=0.1, stretch=False)
        ),
    )
)
