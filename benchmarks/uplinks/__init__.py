"""The parts of ``benchmarks/uplink.py``."""
