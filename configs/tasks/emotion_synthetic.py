# The emotion task alone, on the synthetic corpus at its measured level; the README says how its
# store is made. The label moves rates and amplitudes of gestures, not their order in time.
data = dict(
    name="synthetic corpus, measured",
    store="data/synthetic_measured",
    protocol="synthetic",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32, rate=12.5, max_crops=2),
    synthetic=True,
)
tasks = dict(emotion=dict())
threads = 1
