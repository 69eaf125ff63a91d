"""The uplink process: hands the ledger's records to the broker until the collector has them."""
