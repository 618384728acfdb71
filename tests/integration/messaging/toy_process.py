"""The toy service as a process of its own, so that it can be killed."""

from wakeline_process import main

from .toy import ToySettings, toy

if __name__ == "__main__":
    main(lambda: toy(ToySettings()))
