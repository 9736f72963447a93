"""The user's own tables: binding, checking, and the purchases read from them."""
