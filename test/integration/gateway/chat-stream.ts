// Reads the stream of a chat that asks for a runbook.
import type { Body, TestServer } from '../../server.ts'

export interface Chunk {
  id: string | undefined
  data: Body
}

export interface ChatStream {
  /** As they come; the last one is the text `[DONE]`. */
  chunks: AsyncGenerator<Chunk>
  headers: Headers
  status: number
  leave(): void
}

/** Asks for a stream. The runbook is one of a line; `more` is put into the body, and `url` is another process. */
export const openChat = async (
  { url, server }: Pick<TestServer, 'url' | 'server'>,
  task: string,
  options: { headers?: Record<string, string>; more?: Body } = {},
): Promise<ChatStream> => {
  const gone = new AbortController()
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    signal: gone.signal,
    headers: {
      authorization: `Bearer ${server.adminToken}`,
      'content-type': 'application/json',
      ...options.headers,
    },
    body: JSON.stringify({
      model: 'scripted',
      messages: [{ role: 'system', content: '# Wait\n\nUntil it is said.\n' }],
      stream: true,
      jetty: { collection: 'acme', task },
      ...options.more,
    }),
  })
  const { headers, status, body } = response
  return { chunks: chunksOf(body as unknown as AsyncIterable<Uint8Array>), headers, status, leave: () => gone.abort() }
}

async function* chunksOf(body: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk> {
  let text = ''
  const decoder = new TextDecoder()
  for await (const part of body) {
    text += decoder.decode(part, { stream: true })
    const blocks = text.split('\n\n')
    text = blocks.pop() ?? ''
    for (const block of blocks) {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1]
      const data = field('data')
      if (data !== undefined) yield { id: field('id'), data: data === '[DONE]' ? data : JSON.parse(data) }
    }
  }
}

export const allOf = async (chunks: AsyncIterable<Chunk>): Promise<Chunk[]> => {
  const read: Chunk[] = []
  for await (const chunk of chunks) read.push(chunk)
  return read
}

export const contentOf = (chunks: Chunk[]): string =>
  chunks.map(({ data }) => data.choices?.[0]?.delta.content ?? '').join('')
