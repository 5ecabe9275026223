import { AppError } from '../../../lib/errors.ts'
import { parsedObject } from '../../../lib/json/json-object.ts'
import { type ChatRequest, chatRequestSchema } from '../../../model/gateway/chat.ts'
import { scriptedProvider } from '../../../providers/catalogue.ts'
import { noTokens } from '../../../providers/upstream/usage/usage.ts'
import { isScripted, scriptedModels } from '../../../providers/wires/scripted.ts'
import { meterFailure } from '../meter.ts'
import { readBody } from '../request-body.ts'
import type { CallContext, InsideCall } from './model-call.ts'
import { tellError } from './told-error.ts'

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
export const callScripted = async (context: CallContext, call: InsideCall): Promise<void> => {
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
    tellError(response, endpoint.format, 400, failure.message)
  } finally {
    giveBack()
  }
}
