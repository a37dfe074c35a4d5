"""The hard test: hostile and damaged files through the command line, judged; run it by `python -m tests.hard --help`."""
