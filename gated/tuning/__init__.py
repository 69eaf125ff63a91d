"""What other temperature settings would have done to visits that are recorded already.

The replay goes through the gate's own rule (``gated.policy``). What is not known is said to be so.
"""
