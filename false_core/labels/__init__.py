"""The labels that were digitised: where labels were drawn, and which class each is of."""
