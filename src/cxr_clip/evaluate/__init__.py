"""Metrics, statistics, benchmarks and the report."""
