# Thirteen Korean signs in five sessions, MediaPipe pose and hands.
data = dict(
    name="KSL-13",
    store="data/ksl13",
    protocol="ksl13_leave_one_session_out",
    skeleton="upper_body_hands_face",
    clip=dict(frames=32),
    licence="Apache-2.0",
)
