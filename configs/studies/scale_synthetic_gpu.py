from mmengine.config import read_base

with read_base():
    from .scale_synthetic import *

# For a GPU: ten times the clips, and the larger encoders, on a corpus ten times as large:
# tools/make_synthetic.py data/synthetic_large --level measured --mix uniform --subjects 320 \
#     --seconds 150 --rate 14
options.update({"data.store": "data/synthetic_large"})
_epochs = 10
variants = [
    variant
    for size in ("small", "base", "large")
    for variant in (
        dict(name=f"{size}, untrained", options={"encoder.size": size}, untrained=True),
        *(
            dict(
                name=f"{size}, {_epochs} epochs, {clips:,} clips",
                options={
                    "encoder.size": size, "sampling.clips": clips, "schedule.epochs": _epochs
                },
                line=f"{size}, {_epochs} epochs",
                size=clips,
            )
            for clips in (1000, 10_000, 100_000)
        ),
    )
]  # fmt: skip
