# MediaPipe Holistic sequences of three signs by seven people.
data = dict(
    name="holistic-signs",
    store="data/holistic_signs",
    protocol="holistic_signs_leave_one_person_out",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32),
    licence="MIT (nine recorders), Apache-2.0 (one)",
)
