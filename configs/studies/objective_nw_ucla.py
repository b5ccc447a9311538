# What each ingredient of pre-training is worth, on camera 2 after training on camera 1, with a
# fifth of the full schedule; the encoder is asked frozen.
config = "configs/pretrain/contrastive_small_nw_ucla.py"
options = {
    "data.tuning": True,
    "schedule.threads": 1,
    "schedule.epochs": 20,
    "monitor.interval": 20,
}
measure = "frozen"
variants = [
    dict(name="recipe: contrast of clips and parts, decorrelation"),
    dict(name="untrained", untrained=True),
    dict(name="encoder without attention over keypoints",
         options={"encoder.without": ["keypoint_attention"]}),
    dict(name="encoder without the channel of motion", options={"encoder.without": ["motion"]}),
    dict(name="without the queue", options={"objective.queue": 0}),
    dict(name="with a teacher that follows faster", options={"objective.momentum": 0.9}),
    dict(name="with rates by layer", options={"schedule.layer_decay": 0.8}),
    dict(name="without contrast of parts", options={"objective.part": 0.0}),
    dict(name="without decorrelation", options={"objective.decorrelation": 0.0}),
    dict(name="without moved parts",
         options={f"augment.part_{what}": 0.0 for what in ("shift", "turn", "scale")}),
    dict(name="with steps in time", options={"objective.time": 0.2}),
    dict(name="with masked prediction", options={"objective.masked": 1.0}),
    dict(name="with mixed clips", options={"objective.mixed": 0.5}),
    dict(name="with soft targets", options={"objective.soft": 0.2}),
    dict(name="with two local views", options={"views.local": 2}),
    # Of all windows an epoch the weights would decide nothing: half of them, as many steps.
    dict(name="half of the windows an epoch, good ones more often",
         options={"sampling.quality": True, "sampling.samples": 256, "schedule.epochs": 40}),
    dict(name="and then five epochs of neighbours",
         after="recipe: contrast of clips and parts, decorrelation",
         options={"objective.neighbour": True, "schedule.epochs": 5,
                  "schedule.learning_rate": 2e-4, "schedule.layer_decay": 0.8}),
]  # fmt: skip
