# Forty people before a Kinect v2, 25 joints in metres, 28 frames a second by the set's own files.
data = dict(
    name="SMG",
    store="data/smg",
    protocol="smg_cross_subject",
    skeleton="kinect_25",
    clip=dict(frames=64, rate=28.0),
    published="smg",
)
