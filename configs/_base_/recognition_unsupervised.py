# Linear probe, kNN and clustering of frozen embeddings.
tasks = dict(recognition_unsupervised=dict())
