"""The controller process: owns the devices and the ledger, and decides. No network."""
