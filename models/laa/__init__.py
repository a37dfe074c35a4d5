"""The LAA-Transformer (Li et al., IJCAI 2023), and its widening."""
