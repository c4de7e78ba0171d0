"""The SDK itself: describes providers, builds requests, decides on attempts, decodes replies, and waits for sockets."""
