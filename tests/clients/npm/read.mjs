// Asks the emulator through one client from npm, and prints what the client read.
//
//     node read.mjs openai http://127.0.0.1:8765
//     {"text":"I will look: Grüße","calls":[["weather",{"city":"Tromsø"}]],"usage":[1000,50]}
//
// Each reader imports its client itself, so that one process loads one client.

const PROMPT = "Is it sunny?";
const ASKED = [{ role: "user", content: PROMPT }];
const SCHEMA = { type: "object", properties: { city: { type: "string" } } };
const DECLARED = { name: "weather", description: "of a city", parameters: SCHEMA };
const TOOL = { type: "function", function: DECLARED };
const apiKey = "sk-test";

async function openai(url) {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const options = { model: "m", messages: ASKED, tools: [TOOL], stream_options: { include_usage: true } };
  const reply = await client.chat.completions.stream(options).finalChatCompletion();
  const { content, tool_calls } = reply.choices[0].message;
  return {
    text: content,
    calls: tool_calls.map((call) => [call.function.name, JSON.parse(call.function.arguments)]),
    usage: [reply.usage.prompt_tokens, reply.usage.completion_tokens],
  };
}

async function openaiResponses(url) {
  const { default: OpenAI } = await import("openai");
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey, maxRetries: 0 });
  const tools = [{ type: "function", ...DECLARED, strict: false }];
  const reply = await client.responses.stream({ model: "m", input: PROMPT, tools }).finalResponse();
  const calls = reply.output.filter((item) => item.type === "function_call");
  return {
    text: reply.output_text,
    calls: calls.map((item) => [item.name, JSON.parse(item.arguments)]),
    usage: [reply.usage.input_tokens, reply.usage.output_tokens],
  };
}

async function anthropic(url) {
  const { default: Anthropic } = await import("@anthropic-ai/sdk");
  const client = new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });
  const tools = [{ name: "weather", description: "of a city", input_schema: SCHEMA }];
  const reply = await client.messages.stream({ model: "m", max_tokens: 99, messages: ASKED, tools }).finalMessage();
  return {
    text: reply.content.filter((block) => block.type === "text").map((block) => block.text).join(""),
    calls: reply.content.filter((block) => block.type === "tool_use").map((block) => [block.name, block.input]),
    usage: [reply.usage.input_tokens, reply.usage.output_tokens],
  };
}

async function gemini(url) {
  const { GoogleGenAI } = await import("@google/genai");
  const client = new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
  const { parameters, ...declared } = DECLARED;
  const tools = [{ functionDeclarations: [{ ...declared, parametersJsonSchema: parameters }] }];
  const answer = { text: "", calls: [], usage: [] };
  for await (const chunk of await client.models.generateContentStream({ model: "m", contents: PROMPT, config: { tools } })) {
    for (const part of chunk.candidates[0].content.parts) answer.text += part.text ?? "";
    answer.calls.push(...(chunk.functionCalls ?? []).map((call) => [call.name, call.args]));
    const counts = chunk.usageMetadata;
    if (counts) answer.usage = [counts.promptTokenCount, counts.candidatesTokenCount];
  }
  return answer;
}

async function ollama(url) {
  const { Ollama } = await import("ollama");
  const answer = { text: "", calls: [], usage: [] };
  for await (const line of await new Ollama({ host: url }).chat({ model: "m", messages: ASKED, tools: [TOOL], stream: true })) {
    answer.text += line.message.content;
    answer.calls.push(...(line.message.tool_calls ?? []).map((call) => [call.function.name, call.function.arguments]));
    if (line.done) answer.usage = [line.prompt_eval_count, line.eval_count];
  }
  return answer;
}

async function cohere(url) {
  const { CohereClientV2 } = await import("cohere-ai");
  const client = new CohereClientV2({ token: apiKey, environment: url });
  const answer = { text: "", calls: [], usage: [] };
  for await (const event of await client.chatStream({ model: "m", messages: ASKED, tools: [TOOL] })) {
    if (event.type === "content-delta") answer.text += event.delta.message.content.text ?? "";
    if (event.type === "tool-call-start") answer.calls.push([event.delta.message.toolCalls.function.name, ""]);
    if (event.type === "tool-call-delta") answer.calls.at(-1)[1] += event.delta.message.toolCalls.function.arguments;
    if (event.type === "message-end") {
      const { inputTokens, outputTokens } = event.delta.usage.tokens;
      answer.usage = [inputTokens, outputTokens];
    }
  }
  answer.calls = answer.calls.map(([name, text]) => [name, JSON.parse(text)]);
  return answer;
}

// The AI SDK: each provider is a package of its own, whose models `streamText` reads.
const AI = {
  "ai openai": async (url) => (await import("@ai-sdk/openai")).createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat("m"),
  "ai openai responses": async (url) => (await import("@ai-sdk/openai")).createOpenAI({ baseURL: `${url}/v1`, apiKey })("m"),
  "ai anthropic": async (url) => (await import("@ai-sdk/anthropic")).createAnthropic({ baseURL: `${url}/v1`, apiKey })("m"),
  "ai google": async (url) =>
    (await import("@ai-sdk/google")).createGoogleGenerativeAI({ baseURL: `${url}/v1beta`, apiKey })("m"),
  "ai cohere": async (url) => (await import("@ai-sdk/cohere")).createCohere({ baseURL: `${url}/v2`, apiKey })("m"),
  "ai mistral": async (url) => (await import("@ai-sdk/mistral")).createMistral({ baseURL: `${url}/v1`, apiKey })("m"),
  "ai groq": async (url) => (await import("@ai-sdk/groq")).createGroq({ baseURL: `${url}/openai/v1`, apiKey })("m"),
  "ai openai-compatible": async (url) =>
    (await import("@ai-sdk/openai-compatible")).createOpenAICompatible({
      name: "own", baseURL: `${url}/v1`, apiKey, includeUsage: true,
    })("m"),
};

async function ai(name, url) {
  const { streamText, tool, jsonSchema } = await import("ai");
  const tools = { weather: tool({ description: "of a city", inputSchema: jsonSchema(SCHEMA) }) };
  const failures = [];
  const onError = ({ error }) => failures.push(error);
  const reply = streamText({ model: await AI[name](url), prompt: PROMPT, tools, maxRetries: 0, onError });
  let text = "";
  for await (const piece of reply.textStream) text += piece;
  if (failures.length) throw failures[0];
  const [calls, usage] = [await reply.toolCalls, await reply.usage];
  return {
    text,
    calls: calls.map((call) => [call.toolName, call.input]),
    usage: [usage.inputTokens, usage.outputTokens],
  };
}

const READERS = { openai, "openai responses": openaiResponses, anthropic, gemini, ollama, cohere };
const [name, url] = process.argv.slice(2);
const answer = name in READERS ? await READERS[name](url) : await ai(name, url);
// Some clients keep a connection open for seconds.
process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
