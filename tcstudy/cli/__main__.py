"""The command line as `python -m tcstudy.cli`, which is how `accelerate launch -m` starts it."""

from tcstudy.cli import main

if __name__ == "__main__":
    main()
