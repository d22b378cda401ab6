"""The interface of the desktop, of which there is none."""

iface = None
