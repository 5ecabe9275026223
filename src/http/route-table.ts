import { AppError } from '../lib/errors.ts'
import { preflightHeaders } from './cors.ts'
import type { ErrorBody } from './endpoint.ts'
import { errorFormat, errorReply } from './errors.ts'
import { type Exchange, hasValidTarget, pathOf } from './exchange.ts'
import type { Route } from './implement.ts'
import { type CheckMembers, makeCheckMembers } from './input/check-members.ts'
import { type PartNames, partNames } from './input/multipart.ts'
import { queryReader, type ReadQuery } from './input/parse.ts'
import type { Pages } from './pages/pages.ts'
import { jsonHeaders, Reply } from './reply.ts'
import { type Match, makeRouter, splitTarget } from './router.ts'
import { hasWarningsMember } from './warnings.ts'

/** A route with what follows from its declaration, worked out once. */
export interface ServedRoute extends Route {
  readQuery: ReadQuery
  checkMembers: CheckMembers | undefined
  hasWarningsMember: boolean
  parts: PartNames
}

const served = (route: Route): ServedRoute => ({
  ...route,
  readQuery: queryReader(route.endpoint),
  checkMembers: makeCheckMembers(route.endpoint),
  hasWarningsMember: hasWarningsMember(route.endpoint),
  parts: partNames(route.endpoint),
})

/** Works it out with the first request: few servers see all of their two hundred routes. */
const servedLater = (route: Route): (() => ServedRoute) => {
  let known: ServedRoute | undefined
  return () => {
    known ??= served(route)
    return known
  }
}

const notFound = new Reply('{"detail":"Not Found"}', jsonHeaders, 404)
const notAllowed = new AppError('method_not_allowed', 'Method Not Allowed')
const badTarget = new Reply('{"detail":"The request target or Host header is not valid"}', jsonHeaders, 400)

/** Clients of models call addresses below `/v1`, some below the origin or `/api/v1`. They show only the member `error`. */
const modelPath = /^\/v1\//
const messagesPath = /^\/(?:api\/)?(?:v1\/)?messages(?:[/?]|$)/

/** The format of an error for a request that has no route. */
const formatFor = ({ target, incoming }: Exchange): ErrorBody => {
  if (messagesPath.test(target)) return 'anthropic'
  return modelPath.test(target) ? errorFormat('openai', incoming.headers) : 'detail'
}

const unknownPath = (exchange: Exchange): Reply => {
  const { method, target } = exchange
  const format = formatFor(exchange)
  if (format === 'detail') return notFound
  const hint = 'The page /docs lists all calls of this server.'
  return errorReply(new AppError('not_found', `There is no ${method} ${pathOf(target)} here`, { hint }), format)
}

const otherMethod = (exchange: Exchange, allow: string[]): Reply => {
  const headers = { ...jsonHeaders, allow: [...allow, 'OPTIONS'].join(', ') }
  if (exchange.method === 'OPTIONS') return new Reply(null, { ...headers, ...preflightHeaders(allow) }, 204)
  return new Reply(errorReply(notAllowed, formatFor(exchange)).body, headers, 405)
}

/** Makes the function that finds the route of a request, or the answer to one that has none. */
export const makeRouteTable = (routes: readonly Route[], pages?: Pages) => {
  const router = makeRouter<() => ServedRoute>()
  for (const route of routes) {
    const { method, path, aliases } = route.endpoint
    const value = servedLater(route)
    for (const one of [path, ...aliases]) router.add(method, one, value)
  }
  return (exchange: Exchange): Match<ServedRoute> | Reply => {
    if (!hasValidTarget(exchange.incoming)) return badTarget
    const segments = splitTarget(exchange.target)
    if (!segments) return unknownPath(exchange)
    const page = pages?.find(exchange, segments)
    if (page) return page
    const found = router.find(exchange.method, segments)
    if (found && !('allow' in found)) return { value: found.value(), params: found.params }
    return pages?.fallback(exchange, segments) ?? (found ? otherMethod(exchange, found.allow) : unknownPath(exchange))
  }
}
