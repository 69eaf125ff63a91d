"""The event log of one gate and its hash chain: ``ledger.db``, and ``uplink.db`` beside it.

``writer`` and ``service`` belong to the controller's ledger thread; ``reader`` is everybody else's.
Schema, files and what to do with a corrupt one: docs/ledger.md.
"""
