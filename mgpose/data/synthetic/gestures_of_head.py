"""The gestures of the head, and of hands at the head."""

from mgpose.data.synthetic.gesture_model import Gesture, Move, Reach, Way, both_hands, one_hand

_ELBOW_UP = (0.9, -0.5, 0.35)
_ELBOW_WIDE = (1.0, -0.05, 0.1)

GESTURES_OF_HEAD: dict[str, Gesture] = {
    "turtle neck": Gesture(
        (
            Way(
                moves=(Move("shoulders", 0.10), Move("head_sink", 0.09), Move("head_forward", 0.05))
            ),
            Way(
                moves=(Move("shoulders", 0.07), Move("head_sink", 0.11), Move("head_pitch", -0.10))
            ),
        ),
        valence=-1,
    ),
    "bulging face, deep breath": Gesture(
        (
            Way(moves=(Move("puff", 1.0), Move("press", 0.4), Move("shoulders", 0.03, "breath"))),
            Way(
                moves=(
                    Move("shoulders", 0.09, "breath"),
                    Move("torso_rise", 0.05, "breath"),
                    Move("torso_pitch", -0.08, "breath"),
                    Move("puff", 0.8, "breath"),
                )
            ),
        ),
        valence=-1,
    ),
    "touching hat": Gesture(
        (
            *one_hand(
                Reach("brim", "pinch", (3.5, -0.1, 0.3), "pinch", (0.0, 0.06, 0.0), 1.1),
                moves=(Move("head_pitch", -0.07),),
            ),
            *both_hands(
                Reach("own_brim", "pinch", (3.8, -0.1, 0.1), "pinch", (0.0, 0.06, 0.0), 1.0)
            ),
        )
    ),
    "touching or scratching head": Gesture(
        one_hand(
            Reach(
                "own_crown",
                angles=(4.1, -0.5, 0.2),
                shape="claw",
                stroke=(0.03, 0.03, 0.0),
                frequency=4.2,
                flex=0.15,
                pole=_ELBOW_UP,
            ),
            Reach(
                "own_crown",
                "fingers",
                (3.7, -0.2, 0.2),
                "relaxed",
                (0.06, 0.01, 0.0),
                1.4,
                offset=(0.0, -0.04, 0.0),
                pole=_ELBOW_UP,
            ),
            Reach(
                "own_back_of_head",
                angles=(4.3, -0.8, 0.0),
                shape="claw",
                stroke=(0.03, 0.04, 0.0),
                frequency=3.6,
                flex=0.15,
                pole=_ELBOW_UP,
            ),
        ),
        valence=-1,
    ),
    "touching or scratching forehead": Gesture(
        one_hand(
            Reach("forehead", angles=(3.8, -0.3, 0.1), stroke=(0.10, 0.0, 0.0), frequency=1.3),
            Reach(
                "own_brow_outer",
                angles=(4.1, -0.3, 0.1),
                shape="claw",
                stroke=(0.02, 0.02, 0.0),
                frequency=3.6,
                offset=(-0.03, -0.07, 0.03),
            ),
        ),
        valence=-1,
    ),
    "covering face": Gesture(
        (
            *both_hands(
                Reach("own_cheek", "palm", (4.6, -0.1, 0.1), "flat", offset=(-0.04, 0.0, 0.08)),
                moves=(Move("head_pitch", -0.2),),
            ),
            *one_hand(
                Reach("nose_base", "palm", (4.3, -0.1, 0.1), "flat", offset=(0.02, 0.0, 0.08)),
                moves=(Move("head_pitch", -0.2),),
            ),
        ),
        length=1.2,
        valence=-1,
    ),
    "rubbing eyes": Gesture(
        one_hand(
            Reach(
                "own_eye",
                "index_tip",
                (4.2, -0.4, 0.2),
                "point",
                (0.03, 0.018, 0.0),
                2.4,
                "circle",
            ),
            Reach(
                "own_eye",
                "knuckles",
                (4.3, -0.3, 0.0),
                "fist",
                (0.035, 0.025, 0.0),
                1.8,
                "circle",
                offset=(0.0, 0.0, 0.05),
            ),
        )
        + both_hands(
            Reach("own_eye", "knuckles", (4.7, -0.2, 0.1), "fist", (0.035, 0.02, 0.0), 2.0)
        )
    ),
    "touching facial parts": Gesture(
        one_hand(
            Reach("own_cheek", "index_tip", (4.3, -0.4, 0.2), "point", (0.015, 0.02, 0.0), 0.9),
            Reach("nose_tip", "pinch", (4.0, -0.5, 0.2), "pinch", (0.0, 0.018, 0.0), 1.4),
            Reach("other_cheek", "index_tip", (3.6, -0.3, 0.2), "point", (0.01, 0.02, 0.0), 1.1),
            Reach(
                "own_cheek", "fingertips", (4.1, -0.4, 0.1), "relaxed", offset=(-0.02, -0.06, 0.03)
            ),
        )
    ),
    "touching ears": Gesture(
        one_hand(
            Reach(
                "own_ear",
                "pinch",
                (3.5, -0.2, -0.2),
                "pinch",
                (0.0, 0.04, 0.0),
                1.3,
                offset=(0.03, 0.05, 0.0),
                pole=_ELBOW_WIDE,
            ),
            Reach(
                "own_ear",
                "index_tip",
                (3.5, -0.2, -0.2),
                "point",
                (0.015, 0.03, 0.0),
                3.4,
                offset=(0.03, 0.0, 0.0),
                pole=_ELBOW_WIDE,
            ),
        )
    ),
    "biting nails": Gesture(
        one_hand(
            Reach(
                "mouth", "index_tip", (3.7, -0.5, 0.5), "claw", (0.02, 0.012, 0.0), 2.8, flex=0.2
            ),
            Reach("mouth", "pinch", (3.9, -0.6, 0.8), "fist", (0.012, 0.02, 0.0), 2.8),
            moves=(Move("mouth", 0.6, "pulse", 2.8), Move("head_pitch", -0.08)),
        ),
        length=1.3,
        valence=-1,
    ),
    "touching jaw or chin": Gesture(
        one_hand(
            Reach("chin", "pinch", (4.2, -0.4, 0.2), "pinch", (0.0, 0.05, 0.0), 0.8),
            Reach("own_jaw", "knuckles", (4.5, -0.3, 0.0), "fist", offset=(-0.02, 0.04, 0.03)),
        ),
        length=1.2,
    ),
    "touching or scratching neck": Gesture(
        one_hand(
            Reach("own_throat", angles=(3.9, -0.6, 0.0), stroke=(0.015, 0.045, 0.0), frequency=1.5),
            Reach(
                "own_nape",
                "fingertips",
                (3.9, -1.0, -0.1),
                "claw",
                (0.02, 0.03, 0.0),
                2.8,
                offset=(0.03, 0.05, 0.0),
                pole=_ELBOW_UP,
            ),
            Reach("other_throat", "fingers", (3.3, -0.5, 0.1), "relaxed", (0.02, 0.05, 0.0), 1.2),
        ),
        valence=-1,
    ),
    "playing with or adjusting hair": Gesture(
        one_hand(
            Reach(
                "own_hair",
                angles=(3.8, -0.4, 0.0),
                shape="claw",
                stroke=(0.05, 0.16, -0.18),
                frequency=0.6,
                path="sweep",
                pole=_ELBOW_UP,
            ),
            Reach(
                "own_lock",
                "pinch",
                (3.7, -0.3, -0.2),
                "pinch",
                (0.045, 0.045, 0.0),
                1.4,
                "circle",
                flex=0.15,
            ),
        ),
        length=1.2,
    ),
    "head up": Gesture(
        (
            Way(moves=(Move("head_pitch", 0.46),)),
            Way(moves=(Move("head_pitch", 0.42, "pulse", 0.9), Move("head_roll", 0.08))),
        ),
        length=0.8,
        valence=1,
    ),
    "pressing or biting lips": Gesture(
        (Way(moves=(Move("press", 1.0),)), Way(moves=(Move("bite", 1.0), Move("press", 0.2)))),
        length=0.8,
        valence=-1,
    ),
}
