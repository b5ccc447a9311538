seeds = (0, 1, 2)
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(draws=5, finetune=dict(min_steps=40)),
    recognition_supervised=dict(ensemble=True),
    retrieval=dict(),
)
