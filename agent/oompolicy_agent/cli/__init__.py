"""`kubectl oompolicy`: looks at policies, nodes and decisions, and says what a policy would change before it does."""
