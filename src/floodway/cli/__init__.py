"""The command line: turns arguments into configuration and decides nothing else."""
