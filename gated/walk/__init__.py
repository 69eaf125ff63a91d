"""A walk around one gate with somebody standing there: everything is moved, seen and felt once.

What is tried next and what an answer means is pure (``steps``, ``course``, ``words``); the devices
are opened by their own adapters (``outputs``, ``inputs``, ``sensors``, ``eyes``), and ``guide``
leads through it all.
"""
