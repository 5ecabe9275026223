import { createHash } from 'node:crypto'

/** Ids of the trace that something belongs to, as the headers of W3C Trace Context carry them. */
export interface TraceContext {
  /** 32 hexadecimal digits. */
  traceId: string
  /** Id of the span above: 16 hexadecimal digits. */
  parentId: string
  /** Bits of `traceparent`: 1 is "sampled", 2 is "the trace id is random". */
  flags: number
  /** Members of `tracestate`; empty without any. */
  state: string
}

const sampledFlag = 1
const knownFlags = 3

const isSampled = ({ flags }: Pick<TraceContext, 'flags'>): boolean => (flags & sampledFlag) === sampledFlag

const parentPattern = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const zeros = /^0+$/

/** Reads `traceparent`; undefined for one that the specification tells to ignore. Later versions may have more members. */
const parentOf = (header: string): Omit<TraceContext, 'state'> | undefined => {
  const [, version, traceId = '', parentId = '', flags = '', more] = parentPattern.exec(header) ?? []
  if (version === undefined || version === 'ff' || (version === '00' && more !== undefined)) return undefined
  if (zeros.test(traceId) || zeros.test(parentId)) return undefined
  return { traceId, parentId, flags: Number.parseInt(flags, 16) & knownFlags }
}

const mostMembers = 32
/** A sender has to pass on that many characters of `tracestate`; more are not stored. */
const mostStateCharacters = 512
/** Longer members are left out first where it is too long. */
const longMember = 128
const longestHeader = 8_192

const memberPattern =
  /^(?:[a-z0-9][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

const lengthOf = (members: readonly string[]): number => members.join(',').length

/** Reads `tracestate`. One that is malformed is empty, one that is too long loses members as the specification says. */
const stateOf = (header: string): string => {
  if (header.length > longestHeader) return ''
  const members = header.split(',').flatMap((member) => member.trim() || [])
  const keys = new Set(members.map((member) => member.slice(0, member.indexOf('='))))
  const isValid = members.length <= mostMembers && keys.size === members.length
  if (!isValid || !members.every((member) => memberPattern.test(member))) return ''
  const kept = lengthOf(members) > mostStateCharacters ? members.filter(({ length }) => length <= longMember) : members
  while (lengthOf(kept) > mostStateCharacters) kept.pop()
  return kept.join(',')
}

/** Writes a trace as one text: `traceparent`, and after a space `tracestate` if it has members. */
const traceText = ({ traceId, parentId, flags, state }: TraceContext): string =>
  `00-${traceId}-${parentId}-${flags.toString(16).padStart(2, '0')}${state && ` ${state}`}`

/** Reads such a text; undefined for any other. */
export const parseTrace = (text: string): TraceContext | undefined => {
  const at = text.indexOf(' ')
  const parent = parentOf(at < 0 ? text : text.slice(0, at))
  return parent && { ...parent, state: at < 0 ? '' : text.slice(at + 1) }
}

/**
 * Reads the trace that a request belongs to, as the text that runs store. Undefined for a request without one. A malformed
 * header is ignored, and so is one that came twice.
 *
 * @example readTrace({ traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' })
 */
export const readTrace = (headers: Readonly<Record<string, unknown>>): string | undefined => {
  const { traceparent, tracestate } = headers
  if (typeof traceparent !== 'string') return undefined
  const parent = parentOf(traceparent.trim())
  return parent && traceText({ ...parent, state: stateOf([tracestate ?? []].flat().join(',')) })
}

/** The headers that say to which trace a request belongs. */
export interface TraceHeaders {
  traceparent?: string
  tracestate?: string
}

/** Writes the headers of a trace; none for no trace. */
export const traceHeaders = (trace: string | null | undefined): TraceHeaders => {
  if (!trace) return {}
  const at = trace.indexOf(' ')
  return at < 0 ? { traceparent: trace } : { traceparent: trace.slice(0, at), tracestate: trace.slice(at + 1) }
}

/** Variables that carry a trace to a program, by the names that OpenTelemetry gives them; none for no trace. */
export const traceVariables = (trace: string | null | undefined): Record<string, string> =>
  Object.fromEntries(Object.entries(traceHeaders(trace)).map(([name, value]) => [name.toUpperCase(), value]))

const hexOf = (text: string, digits: number): string => {
  const hex = createHash('sha256').update(text).digest('hex').slice(0, digits)
  return zeros.test(hex) ? hex.replace(/.$/, '1') : hex // all zeros is no id
}

/** Makes the id of a trace from a key. The same key always has the same id. */
export const traceIdOf = (key: string): string => hexOf(`trace ${key}`, 32)

/** Makes the id of a span from a key. The same key always has the same id. */
export const spanIdOf = (key: string): string => hexOf(`span ${key}`, 16)

/** Decides whether a trace is recorded. `parent` is the context that it came with, if it came with one. */
export type TraceSampler = (traceId: string, parent: Pick<TraceContext, 'flags'> | undefined) => boolean

/** The samplers that OpenTelemetry defines. */
export const traceSamplers = [
  ...['always_on', 'always_off', 'traceidratio'],
  ...['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'],
] as const

/** The lowest 56 bits of a trace id are random, and programs that sample by them agree with one another. */
const randomDigits = 14

/** Makes a sampler of OpenTelemetry. `ratio`, from 0 to 1, is the part of traces that `traceidratio` records. */
export const makeSampler = (name: string, ratio: number): TraceSampler => {
  const refusedBelow = Math.round((1 - ratio) * 16 ** (randomDigits - 2)) // 48 bits: exact as a number
  const byName: Readonly<Record<string, (traceId: string) => boolean>> = {
    always_on: () => true,
    always_off: () => false,
    traceidratio: (traceId) => Number.parseInt(traceId.slice(-randomDigits, -2), 16) >= refusedBelow,
  }
  const decide = byName[name.replace('parentbased_', '')] ?? (() => true)
  return name.startsWith('parentbased_')
    ? (traceId, parent) => (parent ? isSampled(parent) : decide(traceId))
    : (traceId) => decide(traceId)
}

/** A span that is made here. */
interface OwnSpan {
  /** Id of the trace, if the work came with none. */
  traceId: string
  spanId: string
}

/**
 * The trace that is sent onwards from a span: the span is the parent of what others do. `sampler` decides whether the trace
 * is recorded. Without one, no spans are: what came is passed on as it came.
 */
export const traceBelow = (
  came: string | null | undefined,
  sampler: TraceSampler | undefined,
  own: () => OwnSpan,
): string | undefined => {
  if (!sampler) return came ?? undefined
  const parent = came ? parseTrace(came) : undefined
  const { traceId: ownTrace, spanId: parentId } = own()
  const traceId = parent?.traceId ?? ownTrace
  const others = (parent?.flags ?? 0) & ~sampledFlag
  return traceText({
    traceId,
    parentId,
    flags: others | (sampler(traceId, parent) ? sampledFlag : 0),
    state: parent?.state ?? '',
  })
}
