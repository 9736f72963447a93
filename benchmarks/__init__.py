"""Benchmarks with their peers in the same run; never timed tests."""
