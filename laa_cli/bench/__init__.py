"""`laa bench`: what the weights are worth and what they cost, on your machine, beside bicubic and the peers."""
