"""The LAA-Transformer as PyTorch modules: configuration, network, protocol and checkpoints. Knows nothing of photos."""
