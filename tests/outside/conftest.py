"""Collected where `make outside` has installed the programs that are provisioned here, and nowhere else."""

import os

collect_ignore_glob = [] if os.environ.get("OUTSIDE_PROGRAMS") else ["test_*.py"]
