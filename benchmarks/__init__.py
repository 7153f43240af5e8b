"""Benchmarks: how cheap, how fast and how quickly planned our programs are, against the best that people
write by hand.

`python -m benchmarks` measures; `python -m benchmarks --help` says what can be chosen. Every case is
declared in `benchmarks.families` with its problem, its data, a reference in torch and, where there is one,
the closed form: as torch code and as a list of priced steps.
"""
