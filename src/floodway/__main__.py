"""`python -m floodway` is the `floodway` command."""

from floodway.cli.main import main

if __name__ == "__main__":
    main()
