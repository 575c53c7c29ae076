"""Fakes of the vendors' interfaces, after their documentation. No test that uses one says anything about hardware."""
