"""What was digitised: where labels were drawn, and which class each is of."""
