import { AppError } from '../../lib/errors.ts'
import { editMembers, type Member, membersOf } from '../../lib/json/json-members.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import { renameModel } from '../../upstream/transport/rename-model.ts'
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

const withUsage = Buffer.from('{"include_usage":true}')

/**
 * The body for the provider, with its own name for the model. A stream of chat completions is asked to state its usage,
 * whether the agent wants it or not: budgets need it.
 */
export const bodyFor = ({ body, members, isStream }: AskedModel, endpoint: ModelEndpoint, model: string): Buffer => {
  if (members.length === 0) return body
  const isChat = isStream && endpoint.path === '/chat/completions'
  const rename = renameModel(members, model)
  const edited = editMembers(body, members, (member) => {
    if (member.name === 'stream_options' && isChat) return withUsage
    return endpoint.model === undefined ? rename(member) : undefined
  })
  if (!isChat || members.some(({ name }) => name === 'stream_options')) return edited
  const open = edited.indexOf('{') + 1
  return Buffer.concat([
    edited.subarray(0, open),
    Buffer.from(`"stream_options":${withUsage.toString()},`),
    edited.subarray(open),
  ])
}
