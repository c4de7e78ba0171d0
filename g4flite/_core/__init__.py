"""The SDK itself: what a provider is, what is sent, how a reply is decoded, and what waits for it."""
