"""The gestures of trunk, arms and hands, those at the head apart."""

from mgpose.data.synthetic.gesture_model import Gesture, Move, Reach, Way, both_hands, one_hand

_ELBOW_OUT = (1.0, 0.1, -0.35)
_ELBOW_BEHIND = (0.8, 0.25, -0.7)
_ELBOW_BACK = (0.35, 0.25, -0.9)

GESTURES_OF_TRUNK: dict[str, Gesture] = {
    "buckle, collar, tie": Gesture(
        (
            *one_hand(
                Reach("own_collar", "pinch", (3.7, -0.3, 0.3), "pinch", (0.08, 0.02, 0.0), 1.2),
                Reach("tie", "pinch", (3.7, -0.2, 0.3), "pinch", (0.0, 0.12, 0.0), 0.9),
            ),
            *both_hands(
                Reach("buckle", "pinch", (3.4, 0.1, -0.3), "pinch", (0.03, 0.03, 0.0), 1.6)
            ),
            *both_hands(
                Reach("own_collar", "pinch", (3.8, -0.3, 0.3), "pinch", (0.05, 0.02, 0.0), 1.4)
            ),
        )
    ),
    "touching suprasternal notch or chest": Gesture(
        one_hand(
            Reach("notch", angles=(3.6, -0.5, 0.2), stroke=(0.015, 0.01, 0.0), frequency=1.0),
            Reach("chest", "palm", (3.3, -0.2, 0.1), "flat", offset=(0.0, -0.03, 0.06)),
            Reach("chest", "palm", (3.2, -0.2, 0.1), "flat", offset=(-0.10, 0.02, 0.06)),
        ),
        valence=-1,
    ),
    "scratching back": Gesture(
        one_hand(
            Reach(
                "own_shoulder_blade",
                angles=(4.6, -1.2, 0.0),
                shape="claw",
                stroke=(0.03, 0.04, 0.0),
                frequency=3.4,
                flex=0.2,
                pole=(0.5, -0.8, 0.8),
                hidden=0.8,
            ),
            Reach(
                "own_small_of_back",
                angles=(2.8, -0.5, 0.3),
                shape="claw",
                stroke=(0.03, 0.04, 0.0),
                frequency=3.4,
                flex=0.2,
                pole=_ELBOW_BEHIND,
                detour=0.35,
                hidden=0.9,
            ),
            moves=(Move("torso_yaw", 0.14),),
        )
    ),
    "folding arms": Gesture(
        (
            Way(
                Reach("other_upper_arm", "palm", (3.3, -0.1, 0.2), offset=(0.05, 0.05, 0.10)),
                Reach(
                    "other_side", "fingers", (3.1, -0.3, 0.1), hidden=0.5, offset=(0.0, 0.0, 0.05)
                ),
            ),
            Way(
                Reach("other_side", "palm", (3.3, -0.1, 0.1), offset=(0.0, -0.02, 0.12)),
                Reach(
                    "other_side", "palm", (3.2, -0.2, 0.1), offset=(0.08, 0.06, 0.02), hidden=0.3
                ),
            ),
        ),
        length=1.7,
    ),
    "dusting off clothes, tidy sleeve": Gesture(
        (
            *one_hand(
                Reach(
                    "other_forearm",
                    "fingers",
                    (3.0, 0.0, 0.2),
                    "flat",
                    (0.26, 0.12, 0.0),
                    1.6,
                    "sweep",
                    offset=(-0.12, -0.08, 0.04),
                ),
                Reach(
                    "own_lap",
                    "fingers",
                    (2.6, 0.2, -0.6),
                    "flat",
                    (0.22, 0.04, 0.0),
                    1.6,
                    "sweep",
                    offset=(-0.1, 0.0, 0.05),
                ),
                Reach("other_cuff", "pinch", (2.9, 0.1, 0.2), "pinch", (0.09, 0.04, 0.0), 1.2),
                Reach(
                    "other_chest",
                    "fingers",
                    (3.3, -0.2, 0.1),
                    "flat",
                    (0.06, 0.32, 0.0),
                    1.6,
                    "sweep",
                    offset=(0.0, -0.08, 0.06),
                ),
            ),
        )
    ),
    "arms behind body": Gesture(
        both_hands(
            Reach(
                "own_small_of_back",
                "root",
                (2.7, -0.2, 0.2),
                pole=_ELBOW_BEHIND,
                detour=0.4,
                hidden=1.0,
            ),
            Reach(
                "own_small_of_back",
                "root",
                (2.7, -0.2, 0.2),
                offset=(0.1, 0.15, 0.0),
                pole=_ELBOW_BEHIND,
                detour=0.4,
                hidden=1.0,
            ),
            moves=(Move("torso_pitch", -0.06), Move("shoulders_forward", -0.05)),
        ),
        length=1.7,
    ),
    "moving torso": Gesture(
        (
            Way(
                moves=(
                    Move("torso_roll", 0.11, "shake", 0.55),
                    Move("torso_shift", 0.06, "shake", 0.5),
                )
            ),
            Way(moves=(Move("torso_shift", 0.17), Move("torso_roll", 0.10))),
            Way(moves=(Move("torso_yaw", 0.4), Move("torso_shift", 0.06))),
        ),
        valence=-0.5,
    ),
    "sitting straightly": Gesture(
        (
            Way(moves=(Move("torso_rise", 0.18, "step"), Move("torso_pitch", -0.12, "step"))),
            Way(
                moves=(
                    Move("torso_rise", 0.16, "step"),
                    Move("shoulders_forward", -0.06, "step"),
                    Move("head_pitch", 0.08),
                )
            ),
        ),
        valence=0.5,
    ),
    "scratching or touching arms": Gesture(
        one_hand(
            Reach(
                "other_forearm",
                angles=(2.9, -0.1, 0.3),
                shape="claw",
                stroke=(0.03, 0.025, 0.0),
                frequency=4.2,
                flex=0.18,
                offset=(0.0, -0.02, 0.05),
            ),
            Reach(
                "other_upper_arm",
                "fingers",
                (3.3, -0.3, 0.2),
                "relaxed",
                (0.01, 0.07, 0.0),
                0.9,
                offset=(0.0, 0.0, 0.07),
            ),
            Reach(
                "other_shoulder_top",
                "fingers",
                (3.3, -0.3, 0.1),
                "relaxed",
                (0.03, 0.05, 0.0),
                0.9,
                offset=(-0.08, 0.08, 0.06),
            ),
        ),
        valence=-1,
    ),
    "rubbing or holding hands": Gesture(
        both_hands(
            Reach(
                "front",
                "palm",
                (4.2, 0.5, -1.3),
                "flat",
                (0.0, 0.06, 0.03),
                1.8,
                offset=(0.03, 0.0, 0.0),
            ),
            Reach(
                "front",
                "palm",
                (3.6, 0.15, -0.9),
                "relaxed",
                (0.04, 0.03, 0.0),
                1.1,
                offset=(0.03, 0.0, 0.0),
            ),
        ),
        length=1.3,
        valence=-1,
    ),
    "crossing fingers": Gesture(
        both_hands(
            Reach("front", "fingers", (4.0, 0.2, -1.0), "clasp", offset=(0.02, 0.0, 0.0)),
            Reach("front_high", "fingers", (4.2, 0.2, -1.1), "clasp", offset=(0.02, 0.08, 0.0)),
        ),
        length=1.4,
    ),
    "minaret gesture": Gesture(
        both_hands(
            Reach("front_high", "fingertips", (4.15, 0.15, -1.35), "flat", offset=(0.01, 0.0, 0.0)),
            Reach("front", "fingertips", (3.9, 0.35, -1.35), "flat", offset=(0.01, -0.04, 0.0)),
        ),
        length=1.2,
        valence=1,
    ),
    "playing with objects": Gesture(
        (
            *both_hands(
                Reach(
                    "front",
                    "pinch",
                    (3.5, 0.3, -0.6),
                    "pinch",
                    (0.0, 0.02, 0.01),
                    1.8,
                    "circle",
                    flex=0.22,
                    turn=0.45,
                    offset=(0.12, 0.0, 0.0),
                )
            ),
            *one_hand(
                Reach(
                    "own_front",
                    "pinch",
                    (3.9, 0.4, -0.6),
                    "pinch",
                    (0.02, 0.03, 0.0),
                    2.2,
                    flex=0.25,
                    turn=0.5,
                    offset=(-0.08, -0.12, 0.0),
                )
            ),
        ),
        length=1.4,
    ),
    "holding back or withdrawing arms": Gesture(
        (
            *both_hands(
                Reach("own_edge", "root", (2.6, 0.9, -0.4), pole=_ELBOW_BACK),
                moves=(Move("torso_pitch", -0.09), Move("shoulders_forward", -0.04)),
            ),
            *one_hand(
                Reach(
                    "own_edge",
                    "root",
                    (2.6, 0.8, -0.3),
                    "fist",
                    pole=_ELBOW_BACK,
                    offset=(0.0, -0.06, 0.0),
                ),
                moves=(Move("torso_pitch", -0.06),),
            ),
        ),
        valence=-1,
    ),
    "arms akimbo": Gesture(
        (
            *both_hands(
                Reach("own_hip_bone", "palm", (2.5, 0.4, 0.4), "relaxed", pole=_ELBOW_OUT),
                moves=(Move("torso_pitch", -0.05),),
            ),
            *one_hand(Reach("own_hip_bone", "knuckles", (2.6, 0.1, 0.3), "fist", pole=_ELBOW_OUT)),
        ),
        length=1.5,
        valence=1,
    ),
    "shaking shoulders": Gesture(
        (
            Way(moves=(Move("shoulders", 0.08, "pulse", 2.2),)),
            Way(
                moves=(
                    Move("own_shoulder", 0.09, "pulse", 2.4),
                    Move("other_shoulder", -0.02, "pulse", 2.4),
                    Move("torso_roll", 0.02, "shake", 2.4),
                )
            ),
        ),
        length=0.7,
    ),
    "illustrative gesture": Gesture(
        (
            *one_hand(
                Reach(
                    "own_space",
                    "palm",
                    (4.0, 0.4, -0.9),
                    "open",
                    (0.18, 0.16, 0.06),
                    0.9,
                    "wander",
                    turn=0.4,
                ),
                Reach(
                    "own_front",
                    "palm",
                    (3.6, 0.5, 1.0),
                    "open",
                    (0.15, 0.12, 0.06),
                    1.1,
                    "wander",
                    turn=0.3,
                    offset=(0.05, -0.12, 0.0),
                ),
            ),
            *both_hands(
                Reach(
                    "own_space",
                    "palm",
                    (4.1, 0.5, -1.1),
                    "open",
                    (0.18, 0.16, 0.06),
                    0.9,
                    "wander",
                    turn=0.4,
                    offset=(-0.12, 0.05, 0.0),
                )
            ),
        ),
        length=1.2,
        valence=1,
    ),
}
