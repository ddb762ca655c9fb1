"""The Telegram channel, on python-telegram-bot's types and requests, with our own polling."""

import os

# Until its next major version the library warns whenever RetryAfter.retry_after is read, unless
# it is told that a timedelta is expected. Said here, before any of our modules imports it.
os.environ.setdefault("PTB_TIMEDELTA", "true")
