"""Setting up a gate: what was asked for is checked as a whole, then written.

Questions at a terminal, a file on the boot partition, a backup and a claim end in the same plan.
"""
