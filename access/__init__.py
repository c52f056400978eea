"""Who may use the API and the admin, and the shapes both share: errors, pages, keys, roles, screens."""
