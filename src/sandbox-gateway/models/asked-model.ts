import { AppError } from '../../lib/errors.ts'
import { editMembers, type Member, membersOf } from '../../lib/json/json-members.ts'
import { parsedJson } from '../../lib/json/json-object.ts'
import { maxJsonDepth } from '../../lib/json/json-text.ts'
import type { Endpoint } from './endpoints.ts'

/** A request as far as it has to be understood. */
export interface AskedModel {
  body: Buffer
  members: readonly Member[]
  /** As the inside writes it; empty where nothing names one. */
  model: string
  isStream: boolean
}

/** Names go into messages and events. */
const longestName = 200

const memberValue = (body: Buffer, members: readonly Member[], name: string): unknown => {
  const member = members.findLast((one) => one.name === name)
  return member && parsedJson(body.toString('utf8', member.valueStart, member.valueEnd))
}

const looksLikeObject = (body: Buffer): boolean => /^\s*\{/.test(body.toString('latin1', 0, 64))

/** What goes on when its answer is over is neither counted nor ended with the run. */
const refuseBackground = (body: Buffer, members: readonly Member[]): void => {
  const isAsked = members
    .filter(({ name }) => name === 'background')
    .some(({ valueStart, valueEnd }) => !['false', 'null'].includes(body.toString('utf8', valueStart, valueEnd)))
  if (isAsked) throw new AppError('bad_request', 'nothing is asked in the background here: leave `background` out')
}

/**
 * Reads the name of the model, from the path or the body; a body that is something else than JSON has none. Throws
 * `bad_request` for an object that cannot be read, and for what may not be asked for.
 */
export const readAskedModel = (body: Buffer, endpoint: Endpoint): AskedModel => {
  const read = membersOf(body, maxJsonDepth)
  if (!read && looksLikeObject(body)) {
    throw new AppError('bad_request', 'the body is no whole JSON object, or one with too many members or brackets')
  }
  const members = read?.members ?? []
  if (endpoint.language === 'responses') refuseBackground(body, members)
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
 * What goes to the provider: its own name for the model, in the place of the last `model` member, which was read; others
 * are cut. A stream of chat completions says what it has used, whether the inside wants to know or not.
 */
export const bodyFor = ({ body, members, isStream }: AskedModel, endpoint: Endpoint, model: string): Buffer => {
  if (members.length === 0) return body
  const isChat = isStream && endpoint.path === '/chat/completions'
  const read = members.findLast(({ name }) => name === 'model')
  const edited = editMembers(body, members, (member) => {
    if (member.name === 'stream_options' && isChat) return withUsage
    if (member.name !== 'model' || endpoint.model !== undefined) return undefined
    return member === read ? Buffer.from(JSON.stringify(model)) : 'cut'
  })
  if (!isChat || members.some(({ name }) => name === 'stream_options')) return edited
  const open = edited.indexOf('{') + 1
  return Buffer.concat([
    edited.subarray(0, open),
    Buffer.from(`"stream_options":${withUsage.toString()},`),
    edited.subarray(open),
  ])
}
