"""gated: an unattended entry gate that measures honestly, verifies offline and loses nothing."""

__version__ = "0.1.0"
