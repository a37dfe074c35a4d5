"""What the command line can do, a module for each command: options in, one call into the module that does the work."""
