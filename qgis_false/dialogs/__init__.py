"""The additions of our dialogs to those of Processing. Only the desktop has them, and only it imports this."""
