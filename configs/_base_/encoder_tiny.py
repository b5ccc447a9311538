encoder = dict(size="tiny", patch=8)
