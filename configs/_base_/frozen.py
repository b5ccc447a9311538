seeds = (0, 1, 2)
# The SVM beside them always learns from mirror images, so probes and neighbours do, too.
tasks = dict(recognition_unsupervised=dict(mirror=True), retrieval=dict())
threads = 1
