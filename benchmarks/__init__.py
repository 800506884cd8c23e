"""What `make bench` runs: tables of figures, which nothing asserts."""
