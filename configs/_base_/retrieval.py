# Query: test clips, gallery: train clips, cosine of frozen embeddings.
tasks = dict(retrieval=dict())
