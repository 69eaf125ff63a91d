"""The subcommands of gated: one file each, found by its name."""
