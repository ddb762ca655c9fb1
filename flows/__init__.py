"""The conversation, without I/O: no asyncio, clock, randomness, SQL, Telegram or sentences.

Open `flows/table.py` first: it is the whole conversation on one screen.
"""
