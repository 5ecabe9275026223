import type { IncomingMessage, ServerResponse } from 'node:http'
import { sameText } from '../../lib/secrets/crypto.ts'
import { mostCalls } from './limits.ts'
import { findEndpoint, formatFor, type GatewayProvider } from './models/endpoints.ts'
import { type CallContext, callModel } from './models/model-call.ts'
import { callScripted } from './models/scripted-call.ts'
import { tellError } from './models/told-error.ts'

/** Answers a request of the agent to the gateway itself, given its path. */
export type AnswerModelRequest = (request: IncomingMessage, response: ServerResponse, path: string) => Promise<void>

/** The token, from any header in which an SDK sends its key. */
const tokenOf = ({ headers }: IncomingMessage, query: URLSearchParams): string | undefined => {
  const bearer = /^bearer +(.+)$/i.exec(headers.authorization ?? '')?.[1]
  const plain = headers['x-api-key'] ?? headers['x-goog-api-key'] ?? headers['api-key']
  return (typeof plain === 'string' && plain ? plain : undefined) ?? bearer?.trim() ?? query.get('key') ?? undefined
}

/** Makes the function that checks requests for models and answers them. The signal ends the calls in progress. */
export const makeAnswerModelRequest = (
  context: CallContext,
  allowed: readonly GatewayProvider[],
  cut: AbortSignal,
): AnswerModelRequest => {
  const { token, provider } = context.options
  let calls = 0
  return async (request, response, path) => {
    const [pathname = '', search = ''] = path.split(/\?(.*)/s)
    const query = new URLSearchParams(search)
    const refuse = (status: number, text: string) => tellError(response, formatFor(pathname), status, text)
    if (pathname === '/') return void response.writeHead(200).end() // some agents check that the server is up
    const given = tokenOf(request, query)
    if (given === undefined || !sameText(given, token)) return refuse(401, 'This is not the key of this runbook')
    const endpoint = findEndpoint(request.method ?? '', pathname, provider)
    if (!endpoint) return refuse(404, `${request.method} ${pathname} is not passed on by this gateway`)
    if (!allowed.includes(endpoint.provider)) {
      return refuse(
        403,
        `This runbook may not call ${endpoint.provider}: it would have to declare its key among its secrets`,
      )
    }
    if (calls >= mostCalls) return refuse(429, 'Too many concurrent calls of models')
    query.delete('key')
    const text = query.toString()
    const leaving = new AbortController()
    response.once('close', () => response.writableFinished || leaving.abort())
    const signal = AbortSignal.any([cut, leaving.signal])
    const call = { request, response, endpoint, query: text && `?${text}`, signal }
    calls++
    try {
      await (endpoint.provider === 'scripted' ? callScripted(context, call) : callModel(context, call))
    } finally {
      calls--
    }
  }
}
