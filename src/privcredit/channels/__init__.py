"""What programs talk through: one abstract channel, several carriers, exact accounting."""
