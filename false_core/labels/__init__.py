"""What was digitised: classes, and where they were drawn."""
