# A synthetic corpus with labels, and real poses without; tools/quickstart.py fills the store.
data = dict(
    name="synthetic corpus",
    store="work_dirs/quickstart/poses",
    protocol="synthetic",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32),
    licence="synthetic poses: made by mgpose; sample poses: CC-BY-4.0, Intel",
    synthetic=True,
)
