"""Recording a golden: ``walk.py`` asks a target all that a run could ask of it, ``tape.py`` keeps the answers.

``take.py`` is the whole of it, from the plan to the file, whose format is that of :mod:`harness.golden`.
"""
