"""What a code proves: parsers, verifiers, trusted keys and pseudonyms. Pure but for loading files.

A code is a stranger's input. Reading it goes in this order, and each step is bounded before the
next begins: ``recognise`` (which format) → the format's envelope → ``trust`` (is the key known) →
``cose`` (does the signature hold) → only then the claims. ``verify`` is the one way in.
"""
