"""Objectives, metrics and encoders beside the libraries that a user would pick instead.

    python -m benchmarks.side_by_side [--only CASE ...] [--quick] [--threads 2]

run from the root of the repository, writes benchmarks/results/side_by_side.json and book/benchmarks.md. Wants
an otherwise idle machine. `--report` writes the page again from the stored results and needs no peers.
"""
