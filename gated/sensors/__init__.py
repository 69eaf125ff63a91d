"""Sensors: one file per chip, the bus, sampling, compensation, and the workers."""
