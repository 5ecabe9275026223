import { isUtf8 } from 'node:buffer'
import { AppError } from '../lib/errors.ts'
import { editMembers, type Member, membersOf } from '../lib/json-members.ts'
import { parsedJson } from '../lib/json-object.ts'
import { maxJsonDepth } from '../lib/json-text.ts'
import { type JettyBlock, jettyBlockSchema } from '../model/gateway-call.ts'
import type { Shape } from '../model/shape.ts'

/** A call as a client sent it, read no further than has to be. */
export interface AskedCall {
  /** As it came. */
  body: Buffer
  members: readonly Member[]
  /** As the client writes it. */
  model: string
  stream: boolean
  /** What it says to this server. */
  block: JettyBlock
}

/** Bodies up to here are parsed to know that they are JSON; of larger ones the provider will say so. */
const parsedBytes = 64 * 1024

/** Names go into messages, headers and records. */
const longestName = 500

const bad = (message: string, hint = 'Send the request as the reference of the provider has it.'): AppError =>
  new AppError('bad_request', message, { hint })

const noJson = (): AppError =>
  bad('The body is not a valid JSON object', 'Check quotes, commas, brackets and UTF-8; a packed body is not taken.')

/** The JSON that bytes are. Throws `bad_request` for what is none. */
export const parsedBody = (body: Buffer): unknown => {
  const value = parsedJson(body.toString())
  if (value === undefined) throw noJson()
  return value
}

const isJson = (body: Buffer): boolean =>
  isUtf8(body) && (body.length > parsedBytes || parsedJson(body.toString()) !== undefined)

const parsedMember = (body: Buffer, member: Member | undefined): unknown =>
  member && parsedBody(body.subarray(member.valueStart, member.valueEnd))

const lastOf = (members: readonly Member[], name: string): Member | undefined =>
  members.findLast((member) => member.name === name)

/** The members of an object inside of a body; none where the value is no object. */
const inside = (body: Buffer, member: Member | undefined): readonly Member[] =>
  (member && membersOf(body, maxJsonDepth, member.valueStart)?.members) ?? []

/** The block stands at the top, or in `extra_body`, where some clients leave it. */
const blockOf = (body: Buffer, members: readonly Member[]): JettyBlock | undefined => {
  const nested = lastOf(inside(body, lastOf(members, 'extra_body')), 'jetty')
  const value = parsedMember(body, lastOf(members, 'jetty') ?? nested)
  if (value === undefined || value === null) return undefined
  const read = jettyBlockSchema.safeParse(value)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw bad(
    `${['jetty', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not valid'}`,
    `The block is an object with any of ${Object.keys(jettyBlockSchema.shape).join(', ')}.`,
  )
}

const refuseRunbook = (shape: Shape, block: JettyBlock | undefined): void => {
  const isPlain = block === undefined || block.runbook === false || (shape !== 'chat' && block.runbook === undefined)
  if (isPlain) return
  throw new AppError('invalid', 'jetty.runbook: this server executes no runbooks in a chat', {
    issues: [
      {
        loc: ['body', 'jetty', 'runbook'],
        msg: 'This server executes no runbooks in a chat. Send "runbook": false in the jetty block for a plain model call',
        type: 'not_supported',
      },
    ],
    hint: 'Send "jetty": {"runbook": false, …}, or leave the jetty block out.',
  })
}

/** Reads what a call asks for. Throws `bad_request` for what is no such call, and a 422 for a runbook. */
export const readAsked = (body: Buffer, shape: Shape): AskedCall => {
  const read = membersOf(body, maxJsonDepth)
  const isWhole = read !== undefined && body.toString('latin1', read.end, read.end + 64).trim() === ''
  if (!isWhole || !isJson(body)) throw noJson()
  const { members } = read
  const block = blockOf(body, members)
  refuseRunbook(shape, block)
  const model = parsedMember(body, lastOf(members, 'model'))
  if (typeof model !== 'string' || model.trim() === '') {
    throw bad('model: expected the name of a model', 'Write "model": "gpt-4o-mini"; GET /v1/models lists names.')
  }
  if (model.length > longestName) throw bad(`model: a name has ${longestName} characters at most`)
  const stream = shape !== 'embeddings' && parsedMember(body, lastOf(members, 'stream')) === true
  return { body, members, model, stream, block: block ?? {} }
}

/** The same call of another model; a provider that was chosen for the first one is not for it. */
export const askedOf = (asked: AskedCall, model: string): AskedCall => {
  const { model_provider: _, ...block } = asked.block
  const body = editMembers(asked.body, asked.members, ({ name }) =>
    name === 'model' ? Buffer.from(JSON.stringify(model)) : undefined,
  )
  return { ...asked, body, members: membersOf(body, maxJsonDepth)?.members ?? [], model, block }
}

const withoutJetty = (body: Buffer, extra: Member): Buffer | 'cut' | undefined => {
  const members = inside(body, extra)
  if (!members.some(({ name }) => name === 'jetty')) return undefined
  if (members.every(({ name }) => name === 'jetty')) return 'cut'
  const whole = editMembers(body.subarray(0, extra.valueEnd), members, ({ name }) =>
    name === 'jetty' ? 'cut' : undefined,
  )
  return whole.subarray(extra.valueStart)
}

/**
 * What goes to the provider: the body with its name for the model, and without what is meant for this server. Of several
 * `model` members the last one was read; the others are cut, lest the provider takes the first.
 */
export const upstreamBody = (
  { body, members, model }: Pick<AskedCall, 'body' | 'members' | 'model'>,
  named: string,
): Buffer => {
  const read = lastOf(members, 'model')
  return editMembers(body, members, (member) => {
    if (member.name === 'jetty') return 'cut'
    if (member.name === 'extra_body') return withoutJetty(body, member)
    if (member.name !== 'model') return undefined
    if (member !== read) return 'cut'
    return named === model ? undefined : Buffer.from(JSON.stringify(named))
  })
}
