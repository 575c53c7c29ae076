"""The documents' statements, judged: claims from records, the conditions under which they hold, and fresh cases."""
