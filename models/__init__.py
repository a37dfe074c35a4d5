"""Networks as PyTorch modules, with their protocol, metrics and checkpoints. Knows nothing of photos; imports nothing here."""
