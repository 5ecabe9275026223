import { AppError } from '../../../lib/errors.ts'
import { editMembers, type Member, membersOf } from '../../../lib/json/json-members.ts'
import { parsedJson } from '../../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../../lib/json/json-text.ts'
import { renameModel } from '../../../providers/upstream/transport/rename-model.ts'
import { withUsageAsked } from '../../../providers/upstream/usage/stream-usage.ts'
import type { ModelEndpoint } from './endpoints.ts'

/** A request, read no further than necessary. */
export interface AskedModel {
  body: Buffer
  members: readonly Member[]
  /** The name that the agent wrote; empty if the request names no model. */
  model: string
  isStream: boolean
}

/** Names appear in messages and events. */
const longestName = 200

const memberValue = (body: Buffer, members: readonly Member[], name: string): unknown => {
  const member = members.findLast((one) => one.name === name)
  return member && parsedJson(body.toString('utf8', member.valueStart, member.valueEnd))
}

const looksLikeObject = (body: Buffer): boolean => /^\s*\{/.test(body.toString('latin1', 0, 64))

/** An answer in the background could neither be metered nor be stopped with the run. */
const refuseBackground = (body: Buffer, members: readonly Member[]): void => {
  const isAsked = members
    .filter(({ name }) => name === 'background')
    .some(({ valueStart, valueEnd }) => !['false', 'null'].includes(body.toString('utf8', valueStart, valueEnd)))
  if (isAsked) throw new AppError('bad_request', 'A runbook cannot use background responses: omit `background`')
}

/**
 * Reads the name of the model from the path or the body; a body that is not JSON has none. Throws `bad_request` for an
 * object that cannot be read, and for a request in the background.
 */
export const readAskedModel = (body: Buffer, endpoint: ModelEndpoint): AskedModel => {
  const read = membersOf(body, maxJsonDepth)
  if (!read && looksLikeObject(body)) {
    throw new AppError('bad_request', 'The body is not a complete JSON object, or it has too many members or levels')
  }
  const members = read?.members ?? []
  if (endpoint.mayRunInBackground) refuseBackground(body, members)
  const written = endpoint.model ?? memberValue(body, members, 'model') ?? memberValue(body, members, 'version')
  return {
    body,
    members,
    model: typeof written === 'string' ? written.slice(0, longestName) : '',
    isStream: memberValue(body, members, 'stream') === true,
  }
}

/** The body for the provider, with its own name for the model. */
export const bodyFor = ({ body, members }: AskedModel, endpoint: ModelEndpoint, model: string): Buffer =>
  endpoint.model === undefined ? editMembers(body, members, renameModel(members, model)) : body

/** A streamed chat for the provider that asks for its usage, for budgets; undefined for any other body. */
export const askingBody = ({ isStream }: AskedModel, endpoint: ModelEndpoint, body: Buffer): Buffer | undefined =>
  isStream && endpoint.path === '/chat/completions'
    ? withUsageAsked(body, membersOf(body, maxJsonDepth)?.members ?? [])
    : undefined
