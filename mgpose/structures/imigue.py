"""Names of the iMiGUE classes, by the number that its label files give them.

Reference: Liu et al., iMiGUE: An identity-free video dataset for micro-gesture understanding and
emotion analysis, CVPR 2021.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

IMIGUE_CLASSES: Mapping[int, str] = MappingProxyType(
    {
        1: "turtle neck",
        2: "bulging face, deep breath",
        3: "touching hat",
        4: "touching or scratching head",
        5: "touching or scratching forehead",
        6: "covering face",
        7: "rubbing eyes",
        8: "touching facial parts",
        9: "touching ears",
        10: "biting nails",
        11: "touching jaw or chin",
        12: "touching or scratching neck",
        13: "playing with or adjusting hair",
        14: "buckle, collar, tie",
        15: "touching suprasternal notch or chest",
        16: "scratching back",
        17: "folding arms",
        18: "dusting off clothes, tidy sleeve",
        19: "arms behind body",
        20: "moving torso",
        21: "sitting straightly",
        22: "scratching or touching arms",
        23: "rubbing or holding hands",
        24: "crossing fingers",
        25: "minaret gesture",
        26: "playing with objects",
        27: "holding back or withdrawing arms",
        28: "head up",
        29: "pressing or biting lips",
        30: "arms akimbo",
        31: "shaking shoulders",
        99: "illustrative gesture",  # no micro-gesture
    }
)
