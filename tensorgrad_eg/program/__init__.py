"""Plans: a straight-line program, what it costs, how it is stored, and how it is run."""
