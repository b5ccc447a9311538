# Several sets in one layout, each with a test part of its own that no pre-training sees. What a set
# lacks (KSL-13 the face, NW-UCLA hands and face, too) is missing, not zero.
_common = dict(skeleton="upper_body_hands_face", clip=dict(frames=32))
data = dict(
    name="holistic-signs",
    store="data/holistic_signs",
    protocol="holistic_signs_joint",
    licence="MIT (nine recorders), Apache-2.0 (one)",
    **_common,
)
further = [
    dict(
        name="KSL-13",
        store="data/ksl13",
        protocol="ksl13_joint",
        licence="Apache-2.0",
        **_common,
    ),
    dict(
        name="NW-UCLA, upper body",
        store="data/nw_ucla",
        protocol="nw_ucla_cross_view_without_copies",
        licence="research use, not to be redistributed",
        **_common,
    ),
    # MediaPipe over 21 public clips.
    dict(
        name="sample poses",
        store="data/sample",
        protocol="unlabelled",
        licence="CC-BY-4.0, Intel",
        **_common,
    ),
    # tools/make_synthetic.py data/synthetic_joint --subjects 12 --videos 2 --seconds 30
    dict(
        name="synthetic corpus",
        store="data/synthetic_joint",
        protocol="unlabelled",
        licence="made by mgpose",
        synthetic=True,
        **_common,
    ),
]
