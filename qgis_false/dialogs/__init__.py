"""What the dialogs of the algorithms do beyond those of Processing. Only the desktop has them, and only it imports this."""
