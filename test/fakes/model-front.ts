// Stands before a model and fails in the way that a test says.
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** `pass`: the model answers. `cut`: its answer breaks off after some bytes. `silent`: nothing ever comes. */
export type FrontMode = 'pass' | 'cut' | 'silent' | 401 | 404 | 500

export interface ModelFront {
  url: string
  close(): Promise<void>
}

const words: Record<401 | 404 | 500, [type: string, message: string]> = {
  401: ['authentication_error', 'invalid x-api-key'],
  404: ['not_found_error', 'The model `no-such-model` does not exist'],
  500: ['api_error', 'Internal server error'],
}

/** In the shape of Anthropic and of OpenAI at once. */
const refuse = (outgoing: ServerResponse, status: 401 | 404 | 500): void => {
  const [type, message] = words[status]
  const body = JSON.stringify({ type: 'error', error: { type, message, code: type, param: null } })
  outgoing.writeHead(status, { 'content-type': 'application/json' }).end(body)
}

/** `modeOf` says what becomes of a request, by its body. */
export const startModelFront = async (target: string, modeOf: (body: string) => FrontMode): Promise<ModelFront> => {
  const server = createServer((incoming, outgoing) => {
    const relay = async () => {
      const parts: Buffer[] = []
      for await (const part of incoming) parts.push(part as Buffer)
      const asked = Buffer.concat(parts)
      const mode = modeOf(asked.toString())
      if (mode === 'silent') return
      if (typeof mode === 'number') return refuse(outgoing, mode)
      const { method = 'POST', url = '/', headers } = incoming
      const { host: _, connection: __, 'content-length': ___, ...kept } = headers
      const body = asked.length > 0 ? { body: asked } : {}
      const answer = await fetch(target + url, { method, headers: kept as Record<string, string>, ...body })
      const type = answer.headers.get('content-type') ?? 'application/json'
      const bytes = Buffer.from(await answer.arrayBuffer())
      outgoing.writeHead(answer.status, { 'content-type': type })
      if (mode === 'cut') outgoing.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => outgoing.destroy())
      else outgoing.end(bytes)
    }
    relay().catch(() => outgoing.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
