import { AppError } from '../../../lib/errors.ts'
import { editMembers, type Member } from '../../../lib/json/json-members.ts'
import { isObject, parsedJson } from '../../../lib/json/json-object.ts'
import { makeLru } from '../../../lib/memory/lru.ts'
import { refusesMode } from '../errors.ts'
import type { Upstream } from '../upstream.ts'

// OpenAI's protocol states the usage of a streamed chat only if `stream_options.include_usage` asks for it, and few
// clients do. So every stream is asked for it, and a client that did not ask does not see the chunk that states it.

const optionsIn = (body: Buffer, members: readonly Member[]): unknown => {
  const member = members.findLast(({ name }) => name === 'stream_options')
  return member && parsedJson(body.toString('utf8', member.valueStart, member.valueEnd))
}

/** Whether the body of a chat asks for the usage of its stream. */
export const asksForUsage = (body: Buffer, members: readonly Member[]): boolean => {
  const options = optionsIn(body, members)
  return isObject(options) && options.include_usage === true
}

/** Returns the body of a chat with the question for usage. Options that are no object stay: the provider refuses them. */
export const withUsageAsked = (body: Buffer, members: readonly Member[]): Buffer => {
  const options = optionsIn(body, members)
  if (options !== undefined && options !== null && !isObject(options)) return body
  const asking = JSON.stringify({ ...options, include_usage: true })
  if (options !== undefined) {
    return editMembers(body, members, ({ name }) => (name === 'stream_options' ? Buffer.from(asking) : undefined))
  }
  const open = body.indexOf('{') + 1
  const rest = members.length > 0 ? ',' : ''
  return Buffer.concat([body.subarray(0, open), Buffer.from(`"stream_options":${asking}${rest}`), body.subarray(open)])
}

const mostRemembered = 1000
const rememberedMs = 3_600_000

const refusesQuestion = (error: unknown): error is AppError =>
  error instanceof AppError && refusesMode(error) && /stream_options|include_usage/.test(error.message)

/**
 * Makes the function that asks for the usage of a stream. A model whose server refuses the question is asked again without
 * it, and for an hour nobody asks it for its usage. `refusalIn` finds a refusal that is an answer; others are thrown.
 */
export const makeUsageQuestion = () => {
  const refused = makeLru<string, true>(mostRemembered, { ttl: rememberedMs })
  return async <Sent, Answer>(
    { provider, base_url, model }: Pick<Upstream, 'provider' | 'base_url' | 'model'>,
    { asking, plain }: { asking: Sent; plain: Sent },
    send: (sent: Sent) => Promise<Answer>,
    refusalIn: (answer: Answer) => AppError | undefined = () => undefined,
  ): Promise<Answer> => {
    const name = `${base_url} ${model}`
    if (provider.counts_streams || refused.has(name)) return send(plain)
    try {
      const answer = await send(asking)
      if (!refusesQuestion(refusalIn(answer))) return answer
    } catch (error) {
      if (!refusesQuestion(error)) throw error
    }
    const answer = await send(plain)
    if (refusalIn(answer) === undefined) refused.set(name, true)
    return answer
  }
}
