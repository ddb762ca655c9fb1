"""Databases of earlier versions of Sésame, and what today's does with them."""
