import { editMembers, type Member, membersOf } from '../lib/json-members.ts'
import { parsedJson } from '../lib/json-object.ts'
import { maxJsonDepth } from '../lib/json-text.ts'
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

/** Reads the name of the model, from the path or the body; a body that is no JSON object has none. */
export const readAskedModel = (body: Buffer, endpoint: Endpoint): AskedModel => {
  const members = membersOf(body, maxJsonDepth)?.members ?? []
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
