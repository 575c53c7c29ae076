"""Goldens: what one framework did, stored, so that a runner needs the other one only.

``arrays.py`` and ``near.py`` pack answers, ``stored.py`` writes and reads the file, and ``player.py`` is a backend that
answers from it. ``digest.py`` says which question is which. They are recorded in :mod:`harness.recording`.
"""
