"""One file for each target, with ``TARGET``; its name is the target's."""
