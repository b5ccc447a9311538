"""How a pre-training steps: AdamW with a rate for each layer, warm-up and cosine."""

from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper

from mgpose.engine.pretrain_model import PretrainModel
from mgpose.engine.settings import ScheduleSettings


def optimisation(schedule: ScheduleSettings, model: PretrainModel) -> OptimWrapper:
    """AdamW; matrices decay, biases, norms and embeddings of one axis do not.

    The heads, which are new, learn at the full rate; the encoder's last layer at ``layer_decay``
    times that, and each layer below at ``layer_decay`` times the one above it.

    Reference: rates by layer, Clark et al., "ELECTRA", ICLR 2020.
    """
    layers = model.objective.student.encoder.layer_groups()
    depth = {id(p): i for i, layer in enumerate(layers) for p in layer}
    learned: dict[tuple[bool, float], list[torch.nn.Parameter]] = {}
    for p in model.parameters():
        if p.requires_grad:
            below = len(layers) - depth.get(id(p), len(layers))
            key = (p.ndim > 1, schedule.layer_decay**below)
            learned.setdefault(key, []).append(p)
    groups = [
        {
            "params": params,
            "weight_decay": schedule.weight_decay if decays else 0.0,
            "lr": schedule.learning_rate * factor,
        }
        for (decays, factor), params in learned.items()
    ]
    optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate)
    return OptimWrapper(optimizer, clip_grad={"max_norm": schedule.clip_grad})


def schedulers(schedule: ScheduleSettings, steps: int) -> list[dict[str, object]]:
    """Linear warm-up, then a cosine to zero, by iteration, as MMEngine's Runner wants them."""
    # MMEngine's LinearLR takes end - begin - 1 steps to arrive: a shorter one would never leave
    # its start factor.
    warm = max(2, int(schedule.warmup * steps))
    linear = {"type": "LinearLR", "start_factor": 0.01, "by_epoch": False, "begin": 0, "end": warm}
    cosine = {
        "type": "CosineAnnealingLR",
        "by_epoch": False,
        "begin": warm,
        "end": max(steps, warm + 1),
        "T_max": max(1, steps - warm),
    }
    return [linear, cosine]
