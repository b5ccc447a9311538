seeds = (0, 1, 2)
# One set's people are right-handed, another's cameras mirror: probes learn both sides.
tasks = dict(recognition_unsupervised=dict(mirror=True), retrieval=dict())
threads = 1
