"""`python -m privcredit` is the command line."""

from privcredit.cli.main import main

if __name__ == "__main__":
    main()
