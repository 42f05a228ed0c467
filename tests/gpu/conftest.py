"""What is run in a process of its own, and not collected."""

collect_ignore = ["fake_cuda.py", "steps.py"]
