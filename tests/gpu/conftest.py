"""What is run in a process of its own, and not collected by doctest or pytest."""

collect_ignore = ["fake_cuda.py", "steps.py"]
