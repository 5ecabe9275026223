/** Languages in which a call is written. */
export const codeLanguages = ['curl', 'Python', 'TypeScript'] as const
export type CodeLanguage = (typeof codeLanguages)[number]

/** A call as it is sent, without the key: programs read that from `JETTY_API_TOKEN`. */
export interface CodeCall {
  /** Origin of the server. */
  url: string
  collection: string
  body: Record<string, unknown>
}

/** Stands for the bytes of an image, which nobody wants to paste. */
export const imagePlaceholder = 'BASE64_OF_THE_IMAGE'

const withoutBytes = (value: unknown): unknown => {
  if (typeof value === 'string') return value.replace(/^(data:[\w/+.-]+;base64,).*$/s, `$1${imagePlaceholder}`)
  if (Array.isArray(value)) return value.map(withoutBytes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, withoutBytes(member)]))
}

/** Whether a call has images, whose bytes the code leaves out. */
export const hasImages = (body: Record<string, unknown>): boolean =>
  JSON.stringify(withoutBytes(body)).includes(imagePlaceholder)

/** A text for a POSIX shell, whatever is in it. */
const shellText = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`

/** A value as Python writes it: JSON but for three words. */
const pythonValue = (value: unknown, indent = ''): string => {
  if (value === null || value === undefined) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  const deeper = `${indent}    `
  const block = (open: string, lines: string[], close: string): string =>
    lines.length === 0
      ? open + close
      : `${open}\n${lines.map((line) => `${deeper}${line},\n`).join('')}${indent}${close}`
  if (Array.isArray(value)) {
    return block(
      '[',
      value.map((one) => pythonValue(one, deeper)),
      ']',
    )
  }
  if (typeof value !== 'object') return JSON.stringify(value)
  const lines = Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}: ${pythonValue(one, deeper)}`)
  return block('{', lines, '}')
}

/** Members that the Python library knows by name; others go through `extra_body`. */
const pythonNames: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'temperature', 'max_tokens', 'max_completion_tokens', 'top_p', 'seed', 'stop'],
  ...['response_format', 'tools', 'tool_choice', 'parallel_tool_calls', 'presence_penalty', 'frequency_penalty'],
  ...['logit_bias', 'logprobs', 'top_logprobs', 'n', 'reasoning_effort', 'user', 'metadata'],
])

const pythonCode = ({ url, collection, body }: CodeCall): string => {
  const members = Object.entries(body)
  const others = Object.fromEntries(members.filter(([name]) => !pythonNames.has(name)))
  const named = members.filter(([name]) => pythonNames.has(name))
  const written = [...named, ...(Object.keys(others).length > 0 ? [['extra_body', others] as const] : [])]
  return `import os

from openai import OpenAI

client = OpenAI(
    base_url=${JSON.stringify(`${url}/v1`)},
    api_key=os.environ["JETTY_API_TOKEN"],
    default_headers={"X-Jetty-Collection": ${JSON.stringify(collection)}},
)
answer = client.chat.completions.create(
${written.map(([name, value]) => `    ${name}=${pythonValue(value, '    ')},\n`).join('')})
print(answer.choices[0].message.content)
`
}

const typeScriptCode = ({ url, collection, body }: CodeCall): string => `import OpenAI from 'openai'

const client = new OpenAI({
  baseURL: ${JSON.stringify(`${url}/v1`)},
  apiKey: process.env.JETTY_API_TOKEN,
  defaultHeaders: { 'X-Jetty-Collection': ${JSON.stringify(collection)} },
})
const answer = await client.chat.completions.create(${JSON.stringify(body, null, 2)})
console.log(answer.choices[0]?.message.content)
`

const curlCode = ({ url, collection, body }: CodeCall): string => `curl ${shellText(`${url}/v1/chat/completions`)} \\
  -H "Authorization: Bearer $JETTY_API_TOKEN" \\
  -H 'Content-Type: application/json' \\
  -H ${shellText(`X-Jetty-Collection: ${collection}`)} \\
  --data-binary ${shellText(JSON.stringify(body, null, 2))}
`

const writers: Record<CodeLanguage, (call: CodeCall) => string> = {
  curl: curlCode,
  Python: pythonCode,
  TypeScript: typeScriptCode,
}

/** Writes a call as a program that makes it. */
export const codeFor = (language: CodeLanguage, call: CodeCall): string =>
  writers[language]({ ...call, body: withoutBytes(call.body) as Record<string, unknown> })
