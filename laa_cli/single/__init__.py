"""`laa upscale` and `laa detect`: photos named on the command line, one after the other."""
