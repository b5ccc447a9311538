# Rows and constants of the difficulty tables. Two seconds and a half are a crop of 32 frames.
encoder = dict(size="small", patch=8)
finetune = dict(epochs=16, learning_rate=1e-3, augment=dict(crop=0.7, drop_part=0.1, stretch=False))
emotion = dict()
identity = dict()
threads = 1
