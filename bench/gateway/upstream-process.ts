// Somebody who speaks OpenAI's chat completions and costs as little as Node can: what a gateway adds is seen behind it.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { obey } from '../lib/children.ts'
import { paceOf, upstreamKey } from './calls.ts'

const chunksOfBurst = 20

/** 430 bytes, as a short answer of gpt-4o-mini has. */
const answer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench-0000000000000000000',
    object: 'chat.completion',
    created: 1_790_000_000,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'The quick brown fox jumps over the lazy dog, twice.', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 21, completion_tokens: 12, total_tokens: 33 },
    system_fingerprint: 'fp_bench',
  }),
)

/** A chunk tells its place, so that a client sees when one is missing or out of order. */
const frame = (place: number, last: boolean): string =>
  `data: ${JSON.stringify({
    id: 'chatcmpl-bench-0000000000000000000',
    object: 'chat.completion.chunk',
    created: 1_790_000_000,
    model: 'gpt-4o-mini-2024-07-18',
    choices: [{ index: 0, delta: { content: `${place} ` }, finish_reason: last ? 'stop' : null }],
  })}\n\n`

const frames = (count: number): string[] => Array.from({ length: count }, (_, at) => frame(at, at === count - 1))
const done = 'data: [DONE]\n\n'
const burst = frames(chunksOfBurst)

const eventHeaders = { 'content-type': 'text/event-stream' }
const jsonHeaders = { 'content-type': 'application/json', 'content-length': String(answer.length) }

const sendPaced = (response: ServerResponse, { chunks, everyMs }: { chunks: number; everyMs: number }): void => {
  const all = frames(chunks)
  let at = 0
  const next = () => {
    response.write(all[at++] as string)
    if (at < all.length) return
    clearInterval(timer)
    response.end(done)
  }
  const timer = setInterval(next, everyMs)
  response.on('close', () => clearInterval(timer))
  next()
}

const respond = (body: string, response: ServerResponse): void => {
  const pace = paceOf(body)
  if (pace) {
    response.writeHead(200, eventHeaders)
    sendPaced(response, pace)
  } else if (body.includes('"stream":true')) {
    response.writeHead(200, eventHeaders)
    for (const one of burst) response.write(one)
    response.end(done)
  } else {
    response.writeHead(200, jsonHeaders)
    response.end(answer)
  }
}

/** The beginning of a body: what it asks for stands there, and a megabyte of prompt is read past. */
const beginning = 512

await obey(async () => {
  let answered = 0
  const server = createServer({ keepAliveTimeout: 120_000 }, (request: IncomingMessage, response) => {
    if (request.headers.authorization !== `Bearer ${upstreamKey}`) {
      response.writeHead(401).end('{"error":{"message":"not the key that was expected"}}')
      return
    }
    let text = ''
    request.on('data', (chunk: Buffer) => {
      if (text.length < beginning) text += chunk.toString('latin1', 0, beginning)
    })
    request.on('end', () => {
      answered++
      respond(text, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { port: () => port, answered: () => answered }
})
