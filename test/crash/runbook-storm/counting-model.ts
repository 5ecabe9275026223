import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What each answer says that it came to. */
const usage = { prompt_tokens: 700, completion_tokens: 500, total_tokens: 1200 }
/** And costs. */
export const answerUsd = 0.000405

/** An OpenAI that answers everything, after a while, and counts for whom. */
export interface CountingModel {
  url: string
  /** Answers that were sent to their end, by the word in their question. */
  served: Map<string, number>
  close(): void
}

export const startCountingModel = async (delayMs: () => number): Promise<CountingModel> => {
  const served = new Map<string, number>()
  const server = createServer(async (request, answer) => {
    let text = ''
    for await (const part of request) text += part
    const word = /\bwork-\d+\b/.exec(text)?.[0] ?? ''
    const message = { role: 'assistant', content: 'Go on.' }
    const body = {
      id: 'chatcmpl-1',
      object: 'chat.completion',
      created: 1,
      model: 'gpt-4o-mini',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
    }
    answer.on('finish', () => served.set(word, (served.get(word) ?? 0) + 1))
    setTimeout(() => answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body)), delayMs())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    served,
    close() {
      server.close()
      server.closeAllConnections()
    },
  }
}
