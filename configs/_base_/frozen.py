seeds = (0, 1, 2)
tasks = dict(recognition_unsupervised=dict(), retrieval=dict())
threads = 1
