"""What each node remembers, through SQLAlchemy."""
