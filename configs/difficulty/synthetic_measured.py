# The synthetic corpus at the noise level of real press interviews.
data = dict(
    name="synthetic corpus, measured",
    store="data/synthetic_measured",
    protocol="synthetic",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32),
    synthetic=True,
)
encoder = dict(size="small", patch=8)
finetune = dict(epochs=10, augment=dict(crop=0.7, drop_part=0.1, stretch=False))
emotion = dict()
identity = dict()
threads = 2
