"""HPINet (Liu et al., AAAI 2023): hierarchical pixel integration, a light network that super-resolves whole pictures."""
