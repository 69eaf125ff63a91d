"""Is this machine fit to be a gate, and what is to be mended: the checks behind ``gated doctor``.

Each check looks at one thing and returns findings; what could not be looked at is one of them.
Devices are asked by ``gated.probe``, a running gate by its status: nothing here opens a device.
"""
