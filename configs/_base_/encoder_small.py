encoder = dict(size="small", patch=8)
