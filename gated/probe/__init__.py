"""What is wired to this machine: for ``gated probe``, and for what ``gated run`` says at start.

The devices are opened by the very adapters that the gate uses; what those say is what is shown.
"""
