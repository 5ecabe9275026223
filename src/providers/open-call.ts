import type { Dispatcher } from 'undici'
import { AppError } from '../lib/errors.ts'
import { acceptedEncodings, tooLarge } from '../lib/net/body.ts'
import type { Open } from '../lib/net/open.ts'
import { countRoom } from '../lib/net/taken-room.ts'
import type { ModelCaller } from '../model/gateway/chat.ts'
import type { CallLimits, Target } from './provider.ts'
import { type PushStream, streamItems } from './upstream/push-stream.ts'
import { openUpstream } from './upstream/transport/open-upstream.ts'
import { stopFrom } from './upstream/transport/stop.ts'

/** A call is bounded by its step and by silence; this is for an answer that never ends. */
const longestSeconds = 3600
const defaultMaxBytes = 100 * 1024 * 1024

/** The bytes of an answer, bounded in size, time and memory. */
const bounded = async function* (
  answer: PushStream<Buffer>,
  from: string,
  maxBytes: number,
  room: ModelCaller['room'],
): AsyncGenerator<Buffer> {
  const until = performance.now() + longestSeconds * 1000
  const count = countRoom(room)
  let size = 0
  for await (const chunk of streamItems(answer)) {
    size += chunk.length
    if (size > maxBytes) throw tooLarge(from, maxBytes)
    if (performance.now() > until) {
      throw new AppError('timed_out', `The answer of ${from} took longer than ${longestSeconds} s`)
    }
    await count(chunk.length)
    yield chunk
  }
}

/** Makes the function by which a wire sends its requests: to the address of the call, through the agent meant for it. */
export const makeOpenCall =
  (
    target: Target,
    { agent, limits }: { agent(trusted: boolean): Promise<Dispatcher>; limits: CallLimits },
    { room, signal }: Pick<ModelCaller, 'room' | 'signal'>,
  ): Open =>
  async (url, request = {}) => {
    const { firstByteSeconds, idleSeconds, maxBytes = defaultMaxBytes } = limits
    const from = target.provider.name
    const response = await openUpstream(
      {
        upstream: target,
        agent: await agent(target.trusted),
        url: new URL(url),
        method: request.method === 'GET' ? 'GET' : 'POST',
        headers: { accept: '*/*', 'accept-encoding': acceptedEncodings, 'user-agent': 'jetty', ...request.headers },
        body: request.body ?? null,
        ...{ firstByteSeconds, idleSeconds },
      },
      stopFrom(signal),
    )
    const { status, headers, abort } = response
    return { status, headers, body: bounded(response, from, maxBytes, room), close: abort }
  }
