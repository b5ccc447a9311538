# What pre-training on one or two thousand clips takes: configs/RESULTS.md says what was tried.
# People hold hands and head each in a way of their own: views move whole parts.
augment = dict(drop_keypoint=0.2, part_shift=0.15, part_turn=0.3, part_scale=0.15)
# Many small steps, channels that say different things; what did not help there is off.
objective = dict(momentum=0.98, soft=0.0, time=0.0, masked=0.0, mixed=0.0, decorrelation=0.03)
views = dict(local=0)
# Each clip is a whole performance and all are seen once an epoch: there is nothing to weigh.
sampling = dict(quality=False)
