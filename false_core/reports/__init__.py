"""The building blocks of reports: sections, figures, and the page that holds them."""
