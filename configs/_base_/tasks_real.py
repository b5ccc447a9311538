# First numbers on real labels: one seed, one draw a fold of the semi-supervised protocol.
tasks = dict(
    recognition_unsupervised=dict(),
    recognition_semi_supervised=dict(draws=1, finetune=dict(min_steps=40)),
    recognition_supervised=dict(),
    retrieval=dict(),
)
