"""A soak run: random problems of every kind, each judged by an evaluation that knows nothing of the planner.

    python -m tests.soak --problems 10000 --seed 0 --jobs 2

`problems` makes problem n of a seed, `reference` evaluates it by definition, `trial` plans it and compares,
`shrink` makes a failure small, `pool` runs all of that in processes that may hang, and `report` counts.
"""
