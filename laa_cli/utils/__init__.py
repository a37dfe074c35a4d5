"""What any program could use: files, archives, pages, locks, signals, hardware. Knows nothing of faces."""
