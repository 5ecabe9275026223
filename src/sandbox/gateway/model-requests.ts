import type { IncomingMessage, ServerResponse } from 'node:http'
import { AppError } from '../../lib/errors.ts'
import { parsedObject } from '../../lib/json/json-object.ts'
import { sameText } from '../../lib/secrets/crypto.ts'
import { type ChatRequest, chatRequestSchema } from '../../model/gateway/chat.ts'
import { scriptedProvider } from '../../providers/catalogue.ts'
import { noTokens } from '../../providers/upstream/usage/usage.ts'
import { isScripted, scriptedModels } from '../../providers/wires/scripted.ts'
import { mostCalls } from './limits.ts'
import { meterFailure } from './meter.ts'
import { answerError } from './models/backend.ts'
import { findEndpoint, formatFor, type GatewayProvider } from './models/endpoints.ts'
import { type CallContext, callModel, type InsideCall } from './models/model-call.ts'
import { readBody } from './request-body.ts'

const list = {
  object: 'list',
  data: scriptedModels.map((name) => ({ id: `scripted/${name}`, object: 'model', owned_by: 'scripted' })),
}

/** An unknown name means the plainest scripted model: no real model is expected here. */
const named = (model: string): string => {
  const name = model.replace(/^scripted\//, '')
  return `scripted/${isScripted(name) ? name : 'echo'}`
}

const readRequest = (body: Buffer): ChatRequest & { stream?: unknown } => {
  const read = chatRequestSchema.safeParse(parsedObject(body.toString()))
  if (!read.success) throw new AppError('bad_request', 'The body is not a chat completion request')
  return { ...read.data, model: named(read.data.model) }
}

/** Answers a call of a scripted model, without a key or the network. It is metered like any other. Never throws. */
const callScripted = async (context: CallContext, call: InsideCall): Promise<void> => {
  const { models, options, meter, limits, room } = context
  const { request, response, endpoint, signal } = call
  const json = { 'content-type': 'application/json' }
  if (!endpoint.isCall) return void response.writeHead(200, json).end(JSON.stringify(list))
  let giveBack = () => {}
  try {
    const read = await readBody(request, limits.bodyBytes, room)
    giveBack = read.giveBack
    context.moved()
    const spent = meter.refusal()
    if (spent) throw new AppError('budget_exceeded', spent.message)
    const asked = readRequest(read.body)
    const underWay = meter.begin(0)
    const caller = { ...options.caller, signal }
    const answer = await models.call({ ...asked, stream: false }, caller).catch(async (error) => {
      await underWay.end({
        target: { provider: scriptedProvider, model: asked.model },
        usage: null,
        stated: undefined,
        estimate: noTokens,
        failure: meterFailure(error),
      })
      throw error
    })
    const text = JSON.stringify(answer.completion)
    await underWay.end({
      target: { provider: scriptedProvider, model: answer.model },
      usage: answer.usage,
      stated: undefined,
      estimate: noTokens,
      failure: undefined,
    })
    response.writeHead(200, json).end(text)
  } catch (error) {
    const failure = meterFailure(error instanceof AppError ? error : new AppError('internal', 'The call failed'))
    if (!signal.aborted) meter.refuse(failure)
    answerError(response, endpoint.format, 400, failure.message)
  } finally {
    giveBack()
  }
}

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
    const refuse = (status: number, text: string) => answerError(response, formatFor(pathname), status, text)
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
