# Ten actions by ten people before three Kinect cameras, 20 joints in metres.
data = dict(
    name="NW-UCLA",
    store="data/nw_ucla",
    protocol="nw_ucla_cross_view",
    skeleton="kinect_20",
    clip=dict(frames=64),
    licence="research use, not to be redistributed",
)
