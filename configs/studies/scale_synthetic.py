# How the frozen encoder gets better with clips and size, on the synthetic corpus at its measured
# level: once with as many steps for every number of clips, once with every clip seen ten times.
config = "configs/pretrain/contrastive_tiny_synthetic_measured.py"
measure = "frozen"
_steps, _epochs = 960, 10
options = {"sampling.quality": False, "sampling.samples": 0, "schedule.batch_size": 32,
           "monitor.interval": 1000}  # fmt: skip


def _variants():
    # A thousand steps of small take eight minutes on a core.
    for size, counts in (("tiny", (1000, 2000, 5000, 10_000)), ("small", (1000, 10_000))):
        yield dict(name=f"{size}, untrained", options={"encoder.size": size}, untrained=True)
        for clips in counts:
            for line, epochs in (
                (f"{size}, {_steps} steps", round(_steps / (clips // 32))),
                (f"{size}, {_epochs} epochs", _epochs),
            ):
                yield dict(
                    name=f"{line}, {clips:,} clips",
                    options={
                        "encoder.size": size, "sampling.clips": clips, "schedule.epochs": epochs
                    },
                    line=line,
                    size=clips,
                )  # fmt: skip


# Whether it is the clips or the steps: the fewest clips in as many steps as the most.
variants = [
    *_variants(),
    dict(
        name="tiny, 100 epochs, 1,000 clips",
        options={"encoder.size": "tiny", "sampling.clips": 1000, "schedule.epochs": 100},
    ),
]
