import { AppError } from '../lib/errors.ts'
import { unknownName } from '../lib/text/nearest.ts'
import type { Warning } from '../model/warning.ts'
import { preflightHeaders } from './cors.ts'
import type { Endpoint, ErrorBody } from './endpoint.ts'
import { errorFormat, errorReply } from './errors.ts'
import { type Exchange, hasValidTarget, pathOf } from './exchange.ts'
import type { Route } from './implement.ts'
import { type PartNames, partNames } from './input/multipart.ts'
import { queryReader, type ReadQuery } from './input/parse.ts'
import { unknownMembersOf } from './input/unknown-members.ts'
import type { Pages } from './pages/pages.ts'
import { jsonHeaders, Reply } from './reply.ts'
import { type Match, makeRouter, splitTarget } from './router.ts'
import { hasWarningsMember } from './warnings.ts'

/** A body as it was read, before it is held against its schema. */
interface ReadBody {
  input: unknown
  /** The JSON text; empty where a form came. */
  text: string
  /** Names of file parts that were skipped. */
  skipped: readonly string[]
}

/** Checks the member names of a body. Unknown ones become warnings; throws if none of the body would be used. */
type CheckMembers = (body: ReadBody, warn: (warning: Warning) => void) => void

/** The error for members outside of the wrapping member. Shows no values, which may be secrets. */
const misplaced = (member: string, names: readonly string[]): AppError => {
  const example = `{"${member}": {${names
    .slice(0, 3)
    .map((name) => `${JSON.stringify(name)}: …`)
    .join(', ')}}}`
  const are = names.length === 1 ? `${JSON.stringify(names[0])} is` : `${names.slice(0, 5).join(', ')} are`
  const msg = `${are} not known here, and ${member} is missing. Did you mean ${example}?`
  return new AppError('invalid', msg, { issues: [{ loc: ['body', member], msg, type: 'misplaced' }] })
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null

/** Whether a member is also in the wrapping member. Then nothing is lost: a client sends back what it has read. */
const isTwice = (name: string, input: Record<string, unknown>, wrapped: unknown): boolean =>
  isObject(wrapped) && Object.hasOwn(wrapped, name) && JSON.stringify(wrapped[name]) === JSON.stringify(input[name])

/** Makes the check of an endpoint's request documents, once. */
const makeCheckMembers = ({ body, form, files, wraps }: Endpoint): CheckMembers | undefined => {
  const find = body && unknownMembersOf(body, form ? files : [])
  if (!find && !form) return undefined
  return ({ input, text, skipped }, warn) => {
    const found = find?.(input) ?? []
    const given = isObject(input) ? input : {}
    const wrapped = wraps === undefined ? undefined : given[wraps]
    const unknown = found.filter(({ field }) => !isTwice(field, given, wrapped))
    if (wraps !== undefined && wrapped === undefined && text !== '' && unknown.length > 0) {
      throw misplaced(
        wraps,
        unknown.map(({ field }) => field),
      )
    }
    for (const warning of unknown) warn(warning)
    for (const name of skipped) warn(unknownName('file part', name, files))
  }
}

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
const googlePath = /^\/v1(?:beta|alpha)\//
const messagesPath = /^\/(?:api\/)?(?:v1\/)?messages(?:[/?]|$)/

/** The format of an error for a request that has no route. */
const formatFor = ({ target, incoming }: Exchange): ErrorBody => {
  if (messagesPath.test(target)) return 'anthropic'
  if (googlePath.test(target)) return 'google'
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
