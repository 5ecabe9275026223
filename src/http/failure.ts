import { AppError } from '../lib/errors.ts'
import { errorFormat, errorReply } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Route } from './implement.ts'
import type { HttpLog } from './options.ts'
import type { Reply } from './reply.ts'

const isDataLoss = (thrown: unknown): boolean => thrown instanceof AppError && thrown.code === 'object_missing'

/** Makes the answer to a failed call, in its endpoint's error format. Logs bugs with their stack and a 503 with its reason. */
export const failureReply = (
  log: Pick<HttpLog, 'warn' | 'error'>,
  thrown: unknown,
  { method, requestId, incoming }: Pick<Exchange, 'method' | 'requestId' | 'incoming'>,
  { operation, endpoint }: Pick<Route, 'operation' | 'endpoint'>,
): Reply => {
  const reply = errorReply(thrown, errorFormat(endpoint.errorBody, incoming.headers))
  const cause = thrown instanceof AppError && thrown.cause ? thrown.cause : thrown
  const fields = { operation, method, request_id: requestId }
  if (reply.status === 500 && !isDataLoss(thrown)) log.error({ err: cause, ...fields }, 'a request failed with a bug')
  else if (reply.status === 503) log.warn({ reason: String(cause), ...fields }, 'a request was turned away')
  return reply
}
