"""Fuzzing: one target for each reader of what strangers hold up, send or copy into a folder.

``make fuzz`` runs them (scripts/fuzz.py), guided by coverage of ``gated``; ``tests/unit`` runs them
without a fuzzer over what ``fuzz/corpus`` keeps. A target is one file in ``fuzz/targets``.
"""
