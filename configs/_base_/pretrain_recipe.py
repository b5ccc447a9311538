# What pre-training takes, as measured on sets of one or two thousand clips; configs/RESULTS.md
# says what was tried.
# People hold hands and head each in a way of their own: views move whole parts.
augment = dict(drop_keypoint=0.2, part_shift=0.15, part_turn=0.3, part_scale=0.15)
# Channels that say different things; what did not help there is off: soft targets, steps in time,
# masked prediction, mixed clips, local views.
objective = dict(momentum=0.98, soft=0.0, time=0.0, masked=0.0, mixed=0.0, decorrelation=0.03)
views = dict(local=0)
