"""Chip models at register level, one per driver in ``gated/sensors`` and named like it.

Each module offers ``MODEL = ChipModel(address, build)``; the contract suite asks for it.
"""
