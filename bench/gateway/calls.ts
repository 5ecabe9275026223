/** The one key that the upstream takes: whoever stands before it must have sent it on. */
export const upstreamKey = 'sk-bench-upstream'

const body = (stream: boolean, content: string): string =>
  JSON.stringify({ model: 'gpt-4o-mini', stream, messages: [{ role: 'user', content }] })

/** One JSON answer of 430 bytes. */
export const plainCall = body(false, 'What does the quick brown fox do?')

/** Twenty chunks, all at once. */
export const burstCall = body(true, 'What does the quick brown fox do?')

/** One JSON answer to a prompt of a megabyte. */
export const largeCall = body(false, 'lorem ipsum '.repeat(87_382))

/** So many chunks, the first at once and then one every so many milliseconds. */
export const pacedCall = (chunks: number, everyMs: number): string => body(true, `pace ${chunks} x ${everyMs} ms`)

/** What `pacedCall` asks for, for the upstream that reads it. */
export const paceOf = (text: string): { chunks: number; everyMs: number } | undefined => {
  const asked = /"pace (\d+) x (\d+) ms"/.exec(text)
  return asked ? { chunks: Number(asked[1]), everyMs: Number(asked[2]) } : undefined
}
