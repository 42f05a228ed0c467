"""Many runs: records, their store, run-or-load."""
