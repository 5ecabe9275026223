import { isUtf8 } from 'node:buffer'
import type { ScopedBody, ScopedCall } from '../http/implement.ts'
import { AppError } from '../lib/errors.ts'
import { editMembers, type Member, memberPieces, membersOf } from '../lib/json/json-members.ts'
import { isObject, parsedJson } from '../lib/json/json-object.ts'
import { maxJsonDepth } from '../lib/json/json-text.ts'
import { parsePieces } from '../lib/json/large-json.ts'
import { doAtOnce, type Pieces } from '../lib/slices.ts'
import { type JettyBlock, jettyBlockSchema } from '../model/gateway/gateway-call.ts'
import { type Shape, shapeFacts } from '../model/gateway/shape.ts'
import type { StartLabel } from '../model/runs/label.ts'
import { renameModel } from '../providers/upstream/transport/rename-model.ts'
import { asksForUsage, withUsageAsked } from '../providers/upstream/usage/stream-usage.ts'
import { formAsJson, formFor, readForm, type SentForm } from './read-form.ts'

/** A call as a client sent it, read no further than has to be. */
export interface AskedCall {
  /** The body as it arrived. */
  body: Buffer
  members: readonly Member[]
  /** The model's name as the client writes it. */
  model: string
  stream: boolean
  /** A streamed chat whose client does not ask for its usage, and does not see it. */
  hidesUsage: boolean
  /** The `jetty` block: options for this server. */
  block: JettyBlock
  /** The form that came, of which `body` is the record. */
  form: SentForm | undefined
  /** The path has named the model: the provider does not get it in the body. */
  isNamedInPath: boolean
  /** A stream of Google's that its client reads as one JSON array instead of events. */
  isArray: boolean
}

/** What a path says of a call of Google's protocol. */
export interface SaidInPath {
  model: string
  stream: boolean
  isArray: boolean
}

/** The body of a call to a model, and when it was received. */
export interface AskedBody extends ScopedBody {
  shape: Shape
  asked: AskedCall
  /** Labels of the header `X-Jetty-Labels`. */
  labels: readonly StartLabel[]
  receivedMs: number
}

/** An admitted call to a model. */
export type ModelCall = ScopedCall<AskedBody>

/** Bodies up to here are parsed to know that they are JSON; of larger ones the provider will say so. */
const parsedBytes = 64 * 1024

/** Names go into messages, headers and records. */
const longestName = 500

const bad = (message: string, hint = 'Send the request as the reference of the provider has it.'): AppError =>
  new AppError('bad_request', message, { hint })

/** The answer to a body that is no JSON object. */
export const noJson = (): AppError =>
  bad('The body is not a valid JSON object', 'Check quotes, commas, brackets and UTF-8.')

const isJson = (body: Buffer): boolean =>
  isUtf8(body) && (body.length > parsedBytes || parsedJson(body.toString()) !== undefined)

const lastOf = (members: readonly Member[], name: string): Member | undefined =>
  members.findLast((member) => member.name === name)

/** The value of a member that is small wherever it is meant; undefined where it is large. */
export const smallMember = (body: Buffer, name: string, members: readonly Member[]): unknown => {
  const member = lastOf(members, name)
  if (!member || member.valueEnd - member.valueStart > parsedBytes) return undefined
  const value = parsedJson(body.toString('utf8', member.valueStart, member.valueEnd))
  if (value === undefined) throw noJson()
  return value
}

/** The members of an object inside of a body; none where the value is no object. */
function* insidePieces(body: Buffer, member: Member | undefined): Pieces<readonly Member[]> {
  return (member && (yield* memberPieces(body, maxJsonDepth, member.valueStart)))?.members ?? []
}

const inside = (body: Buffer, member: Member | undefined): readonly Member[] => doAtOnce(insidePieces(body, member))

/** Reads the unchecked `jetty` block: a member of the body, or of `extra_body`, where some clients put it. */
function* givenBlock(body: Buffer, members: readonly Member[]): Pieces<unknown> {
  const nested = lastOf(yield* insidePieces(body, lastOf(members, 'extra_body')), 'jetty')
  const member = lastOf(members, 'jetty') ?? nested
  if (!member) return undefined
  try {
    return (yield* parsePieces(body.toString('utf8', member.valueStart, member.valueEnd))) ?? undefined
  } catch {
    throw noJson()
  }
}

const checkedBlock = (value: unknown): JettyBlock => {
  const read = jettyBlockSchema.safeParse(value)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw bad(
    `${['jetty', ...(issue?.path ?? [])].join('.')}: ${issue?.message ?? 'not valid'}`,
    `The block is an object with any of ${Object.keys(jettyBlockSchema.shape).join(', ')}.`,
  )
}

/** A block asks for a runbook unless it says no; beside chats only one that says yes does. */
const isForRunbook = (block: unknown, shape: Shape): boolean =>
  isObject(block) && block.runbook !== false && (shape === 'chat' || block.runbook !== undefined)

const noRunbook = (): AppError =>
  new AppError('invalid', 'jetty.runbook: only chat completions can run a runbook', {
    issues: [
      {
        loc: ['body', 'jetty', 'runbook'],
        msg: 'Only chat completions can run a runbook',
        type: 'not_supported',
      },
    ],
    hint: 'Send it to /v1/chat/completions, or omit `runbook` for a plain model call.',
  })

const openingBrace = 123

/** Models of calls whose protocol lets clients name none. */
const defaultModels: Partial<Record<Shape, string>> = { moderations: 'omni-moderation-latest' }

const shifted = ({ name, start, valueStart, valueEnd }: Member, by: number): Member => ({
  name,
  start: start + by,
  valueStart: valueStart + by,
  valueEnd: valueEnd + by,
})

/** The body with the model of its path, or of its protocol, as its first member, as its record has it. */
function* naming(sent: Buffer, given: readonly Member[], model: string): Pieces<Pick<AskedCall, 'body' | 'members'>> {
  const isNamed = given.some(({ name }) => name === 'model')
  const body = isNamed ? editMembers(sent, given, ({ name }) => (name === 'model' ? 'cut' : undefined)) : sent
  const members = isNamed ? ((yield* memberPieces(body, maxJsonDepth))?.members ?? []) : given
  const start = body.indexOf(openingBrace) + 1
  const name = '"model":'
  const written = Buffer.from(`${name}${JSON.stringify(model)}${members.length > 0 ? ',' : ''}`)
  const valueEnd = start + written.length - (members.length > 0 ? 1 : 0)
  const first: Member = { name: 'model', start, valueStart: start + name.length, valueEnd }
  return {
    body: Buffer.concat([body.subarray(0, start), written, body.subarray(start)]),
    members: [first, ...members.map((member) => shifted(member, written.length))],
  }
}

/**
 * Reads what a call asks for. `runbook`: a chat that asks for one, and is no call of a model. Throws `bad_request` for what
 * is neither.
 */
export function* readAsked(sent: Buffer, shape: Shape, inPath?: SaidInPath): Pieces<AskedCall | 'runbook'> {
  const read = yield* memberPieces(sent, maxJsonDepth)
  const isWhole = read !== undefined && sent.toString('latin1', read.end, read.end + 64).trim() === ''
  if (!isWhole || !isJson(sent)) throw noJson()
  const named = inPath?.model ?? (lastOf(read.members, 'model') ? undefined : defaultModels[shape])
  const { body, members } =
    named === undefined ? { body: sent, members: read.members } : yield* naming(sent, read.members, named)
  const given = yield* givenBlock(body, members)
  if (isForRunbook(given, shape)) {
    if (shape === 'chat') return 'runbook'
    throw noRunbook()
  }
  const block = given === undefined ? {} : checkedBlock(given)
  const model = smallMember(body, 'model', members)
  if (typeof model !== 'string' || model.trim() === '') {
    throw bad('model: expected the name of a model', 'Write "model": "gpt-4o-mini"; GET /v1/models lists names.')
  }
  if (model.length > longestName) throw bad(`model: a name has ${longestName} characters at most`)
  const isStreamed = shapeFacts[shape].streams === true && smallMember(body, 'stream', members) === true
  const stream = inPath ? inPath.stream : isStreamed
  const hidesUsage = stream && (shape === 'chat' || shape === 'completions') && !asksForUsage(body, members)
  const isNamedInPath = inPath !== undefined
  const isArray = inPath?.isArray ?? false
  // Written out, since most calls come by here: Node 20 takes a microsecond to spread.
  return { body, members, model, stream, hidesUsage, block, form: undefined, isNamedInPath, isArray }
}

/** Reads a call whose request is a form. Throws `bad_request` for what is none, or has no file. */
export function* readAskedForm(bytes: Buffer, type: string | undefined, shape: Shape): Pieces<AskedCall | 'runbook'> {
  const form = yield* readForm(bytes, type)
  if (!form.parts.some(({ name, isFile }) => name === 'file' && isFile)) {
    throw bad('file: expected a file in the part of this name', 'With curl: -F file=@speech.mp3.')
  }
  const asked = yield* readAsked(yield* formAsJson(form), shape)
  return asked === 'runbook' ? asked : { ...asked, form }
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

/** Whether a body may have members meant for this server. */
export const hasOptions = (members: readonly Member[]): boolean =>
  members.some(({ name }) => name === 'jetty' || name === 'extra_body')

/** Whether a body goes to the provider as it is: most do. */
const isMeantAsItIs = (members: readonly Member[]): boolean =>
  members.filter(({ name }) => name === 'model').length === 1 && !hasOptions(members)

/** The body for the provider: with its own name for the model, and without the members meant for this server. */
export const upstreamBody = (
  { body, members, model, isNamedInPath = false }: Pick<AskedCall, 'body' | 'members' | 'model'> & Partial<AskedCall>,
  named: string,
): Buffer => {
  if (named === model && !isNamedInPath && isMeantAsItIs(members)) return body
  const rename = renameModel(members, named === model ? undefined : named)
  return editMembers(body, members, (member) => {
    if (member.name === 'jetty') return 'cut'
    if (member.name === 'extra_body') return withoutJetty(body, member)
    if (isNamedInPath && member.name === 'model') return 'cut'
    return rename(member)
  })
}

/** The body as a provider of the same shape gets it. */
export const nativeBody = (asked: AskedCall, named: string): Buffer =>
  asked.form ? formFor(asked.form, named) : upstreamBody(asked, named)

/** A body that asks for the usage of its stream, where its client did not. */
export const askingBody = ({ body, members, hidesUsage }: AskedCall, plain: Buffer): Buffer => {
  if (!hidesUsage) return plain
  return withUsageAsked(plain, plain === body ? members : (membersOf(plain, maxJsonDepth)?.members ?? []))
}
