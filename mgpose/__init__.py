"""mgpose: skeleton-based pose-graph modelling for micro-gestures.

Floors, from the bottom: ``structures`` (numpy only), ``io``, then the siblings ``extraction``,
``data``, ``models`` and ``objectives``, then ``evaluation``, ``engine`` and ``tasks``.
Imports point down; ``tests/test_architecture.py`` holds that.
"""

__version__ = "0.1.0"
