"""The dialogue of ``gated calibrate``: a technician, a reference, one thermometer."""
