"""``python -m gated`` and the ``gated`` script."""

from __future__ import annotations

import sys

from gated.cli import main

if __name__ == "__main__":
    sys.exit(main())
