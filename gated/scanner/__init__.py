"""From pictures and serial scanners to code texts: the process that strangers' pictures reach."""
