# How the frozen encoder gets better with clips and size, on the synthetic corpus at its measured
# level; every run takes nearly the same number of steps.
config = "configs/pretrain/contrastive_tiny_synthetic_measured.py"
measure = "frozen"
_steps = 960
options = {"sampling.quality": False, "sampling.samples": 0, "schedule.batch_size": 32,
           "monitor.interval": 1000}  # fmt: skip


def _variants():
    # A run of small takes eight minutes on a core.
    for size, counts in (("tiny", (1000, 2000, 5000, 10_000)), ("small", (1000, 10_000))):
        yield dict(name=f"{size}, untrained", options={"encoder.size": size}, untrained=True)
        for clips in counts:
            epochs = {"schedule.epochs": round(_steps / (clips // 32))}
            yield dict(
                name=f"{size}, {clips:,} clips",
                options={"encoder.size": size, "sampling.clips": clips, **epochs},
                line=size,
                size=clips,
            )


variants = list(_variants())
