"""What autograd keeps for the backward pass, counted in bytes as the benchmark counts it."""

from support_programs import benchmark

kept_bytes = benchmark("kept").kept_bytes
