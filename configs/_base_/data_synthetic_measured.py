# The README says how the store is made.
data = dict(
    name="synthetic corpus, measured",
    store="data/synthetic_measured",
    protocol="synthetic",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32, rate=12.5, max_crops=2),
    synthetic=True,
)
