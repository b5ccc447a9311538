# Whole-body interviews. The layout ends at the hips: the 12 micro-actions of legs and feet are seen
# by what they move above. The classes of the test part are kept back, so val is tested; whoever
# holds them gives data.protocol=ma52_test.
data = dict(
    name="MA-52",
    store="data/ma52",
    protocol="ma52_val",
    skeleton="upper_body_hands_face",
    clip=dict(frames=64),
    published="ma52",
)
