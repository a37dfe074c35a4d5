"""`laa prepare`: photos in, training and validation faces out. Nothing else of laa needs it."""
