"""Goldens: what one framework did, stored, so that a runner needs the other one only.

``walk.py`` asks a target all that a run could ask of it and ``recording.py`` keeps the answers; ``arrays.py`` packs
them, ``stored.py`` writes and reads the file, and ``player.py`` is a backend that answers from it. ``digest.py`` says
which question is which.
"""
