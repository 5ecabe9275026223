import { AppError } from '../lib/errors.ts'
import type { HttpLog } from './dispatch.ts'
import type { Endpoint } from './endpoint.ts'
import { errorReply } from './errors.ts'
import type { Reply } from './reply.ts'

/** The answer to a call that failed, in the shape that its endpoint declares. A bug is logged whole, a 503 with its reason. */
export const failureReply = (
  log: Pick<HttpLog, 'warn' | 'error'>,
  thrown: unknown,
  { method, requestId }: { method: string; requestId: string },
  { operation, endpoint }: { operation: string; endpoint: Endpoint },
): Reply => {
  const reply = errorReply(thrown, endpoint.errorBody)
  const cause = thrown instanceof AppError && thrown.cause ? thrown.cause : thrown
  if (reply.status === 500)
    log.error({ err: cause, operation, method, request_id: requestId }, 'a request failed with a bug')
  else if (reply.status === 503)
    log.warn({ operation, reason: String(cause), request_id: requestId }, 'a request was turned away')
  return reply
}
