"""A notebook, cell by cell (VS Code, PyCharm and Jupytext mark a cell by `# %%`): a `for` loop needs no `await`."""

# %% Whom to ask: a server of your own that speaks like OpenAI's, or the emulator
import os

import g4flite
from g4flite.testing import Emulator

url, emulator = os.environ.get("BASE_URL"), Emulator(keys=False)
if url is None:
    emulator.start()
    url = f"{emulator.url}/v1"
client = g4flite.Client("llamacpp", base_url=url)
messages: list[dict[str, str]] = []


# %% Each turn of the conversation is a cell
def ask(question: str) -> None:
    messages.append({"role": "user", "content": question})
    with client.stream(messages) as stream:
        for chunk in stream:
            print(chunk, end="", flush=True)
    print(f"   [{stream.finish_reason}; message {len(messages)}]")
    messages.append({"role": "assistant", "content": stream.partial})


ask("Why is the sky blue?")
# %%
ask("And in the evening?")
# %% The end
client.close()
emulator.close()
