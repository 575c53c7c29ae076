"""Targets in another interpreter or on another host: the adapter is sent over, and asked there.

``near.py`` is our side: it starts the other one, sends what it needs, asks, and sees to it that a death costs no more
than one trial. ``far.py`` is the other side, and ``wire.py`` what both speak; these two stay within Python 3.9.
"""
