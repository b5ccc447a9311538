"""A synthetic corpus of press-interview-like poses, labelled with micro-gestures and emotions.

From floor to roof: ``hand`` and ``body`` are the kinematic model, ``gestures`` the table of the 32
classes, ``subject`` a person, ``script`` what happens in a video, ``idle`` and ``perform`` act it
out, ``camera`` and ``noise``, ``measure`` make of it what an estimator would give, ``corpus`` puts
it together and ``write`` streams it to a store.
"""

from mgpose.data.synthetic.corpus import EMOTIONS, SyntheticCorpus
from mgpose.data.synthetic.write import write_synthetic

__all__ = ["EMOTIONS", "SyntheticCorpus", "write_synthetic"]
