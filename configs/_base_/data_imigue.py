# Press conferences of 72 tennis players, OpenPose; data/README.md says how the store is made.
data = dict(
    name="iMiGUE",
    store="data/imigue",
    protocol="imigue_cross_subject",
    skeleton="upper_body_hands_face",
    clip=dict(frames=64),
    published="imigue",
)
