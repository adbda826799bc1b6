"""`python -m floodway` is the `floodway` command."""

from floodway_command import main

if __name__ == "__main__":
    main()
