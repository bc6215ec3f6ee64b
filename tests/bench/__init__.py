"""What things cost, as ratios measured side by side in one run.

`python -m tests.bench` prints them; it never fails for being slow.
"""
