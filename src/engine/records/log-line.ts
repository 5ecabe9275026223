import { crc32 } from 'node:zlib'
import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import type { StartLabel } from '../../model/runs/label.ts'
import type { NewFile } from '../../model/runs/new-run.ts'
import { countedModel } from '../../store/calls/budget.ts'
import { type Placed, rowLimit } from '../../store/runs/payloads.ts'
import { storable } from '../journal/journal-entry.ts'

/** SQL types of the members of a call's line. */
export const callColumns = {
  id: 'text',
  trajectory_id: 'text',
  collection_id: 'bigint',
  task_id: 'bigint',
  name: 'text',
  definition: 'text',
  init_params: 'text',
  init_params_payload: 'text',
  author: 'text',
  environment_id: 'bigint',
  status: 'text',
  error: 'text',
  created: 'float8',
  ended: 'float8',
  step: 'text',
  inputs: 'text',
  outputs: 'text',
  outputs_payload: 'text',
  step_error: 'text',
  usage: 'text',
  cost_usd: 'float8',
  usd: 'numeric',
  tokens: 'bigint',
  model: 'text',
  trace_context: 'text',
  names: 'text[]',
} as const

/** A call as a line of the call log has it. */
export type CallRow = {
  [Name in Exclude<keyof typeof callColumns, 'trace_context' | 'names'>]: string | number | null
} & {
  names?: readonly string[] | undefined
  id: string
  task_id: number
  trajectory_id: string
  collection_id: number
  name: string
  /** JSON text of its workflow, for the case that its task was deleted. */
  workflow: string
  files?: NewFile[] | undefined
  labels?: readonly StartLabel[] | undefined
  trace_context?: string | undefined
}

/** Postgres takes neither NUL nor half of a surrogate pair out of JSON. */
const clean = (text: string): string => (/^[ -~]*$/.test(text) ? text : Buffer.from(storable(text) ?? '').toString())

/** Makes the row of a call whose large values are stored. Files and labels come first: a line shows whether it has some. */
const callRow = (call: RecordedCall, initParams: Placed, outputs: Placed): CallRow => ({
  files: call.files.length > 0 ? call.files : undefined,
  labels: call.labels?.length ? call.labels : undefined,
  id: call.key,
  trajectory_id: call.trajectoryId,
  collection_id: call.collectionId,
  task_id: call.taskId,
  name: clean(call.name),
  definition: call.definition,
  workflow: call.workflow,
  init_params: initParams.text,
  init_params_payload: initParams.payload,
  author: clean(call.author),
  environment_id: call.environmentId,
  status: call.status,
  error: call.error === null ? null : clean(call.error),
  created: call.startedMs,
  ended: call.endedMs,
  step: call.step.name,
  inputs: call.step.inputs,
  outputs: outputs.text,
  outputs_payload: outputs.payload,
  step_error: storable(call.step.error),
  usage: call.step.usage ?? null,
  cost_usd: call.costUsd,
  usd: call.usd,
  tokens: call.tokens,
  model: clean(countedModel(call.model)),
  trace_context: call.trace,
  names: call.names?.length ? call.names.map(clean) : undefined,
})

/** A line: checksum, space, JSON, line feed. Postgres gets the bytes of the JSON as they are. */
const headLength = 9
const lineFeed = 10
const space = 32

const hex = (sum: number): string => sum.toString(16).padStart(headLength - 1, '0')

const checksum = (bytes: Uint8Array): string => hex(crc32(bytes))

/** Makes a line around the JSON that `write` puts at a position. */
const framed = (length: number, write: (line: Buffer, at: number) => void): Buffer => {
  const line = Buffer.allocUnsafe(headLength + length + 1)
  write(line, headLength)
  line.write(`${checksum(line.subarray(headLength, -1))} `, 0, 'latin1')
  line[line.length - 1] = lineFeed
  return line
}

/** The JSON of a line, or the large value that it has: its body then need not be copied into a line. */
export type LineContent = Buffer | LoggedValue

/** Returns the JSON of a line that was made here. */
export const lineJson = (line: Buffer): Buffer => line.subarray(headLength, -1)

/** Returns the JSON of a line without its end; undefined when it is damaged. */
export const checkedJson = (line: Buffer): Buffer | undefined => {
  const json = line.subarray(headLength)
  return line.toString('latin1', 0, headLength) === `${checksum(json)} ` ? json : undefined
}

/** A large value of a call: JSON text, which is stored before the call that refers to it. */
interface LoggedValue {
  payload: string
  runKey: string
  body: Buffer
}

const payloadHead = '{"payload":"'
const bodyName = '","body":'

/** Between the tokens of JSON a line feed is as good as a space, and inside of strings there is none. */
const onOneLine = (body: Buffer): Buffer => {
  let found = body.indexOf(lineFeed)
  if (found === -1) return body
  const line = Buffer.from(body)
  for (; found >= 0; found = line.indexOf(lineFeed, found + 1)) line[found] = space
  return line
}

const payloadEnd = Buffer.from('}\n')

export const loggedValue = (payload: string, runKey: string, body: Buffer): LoggedValue => ({
  payload,
  runKey,
  body: onOneLine(body),
})

/** Makes the line of a large value, in pieces: to join them would copy a megabyte. */
export const payloadLine = ({ payload, runKey, body }: LoggedValue): Buffer[] => {
  const head = Buffer.from(`${payloadHead}${payload}","run":"${runKey}${bodyName}`, 'latin1')
  const sum = crc32('}', crc32(body, crc32(head)))
  return [Buffer.from(`${hex(sum)} `, 'latin1'), head, body, payloadEnd]
}

/** Returns the JSON of a line as bytes. */
export const contentBytes = (content: LineContent): Buffer =>
  Buffer.isBuffer(content) ? content : lineJson(Buffer.concat(payloadLine(content)))

/** Whether the JSON of a line is a call, and not a large value. */
export const isCall = (json: Buffer): boolean => json.toString('latin1', 0, payloadHead.length) !== payloadHead

/** Reads a large value from its JSON; undefined for a call. */
export const payloadOf = (json: LineContent): LoggedValue | undefined => {
  if (!Buffer.isBuffer(json)) return json
  if (isCall(json)) return undefined
  const from = json.indexOf(bodyName) + bodyName.length
  const head = JSON.parse(`${json.toString('latin1', 0, from - bodyName.length)}"}`) as { payload: string; run: string }
  return { payload: head.payload, runKey: head.run, body: json.subarray(from, -1) }
}

/** Makes the lines of a call: its large values, then the row that refers to them. */
export const callLines = (call: RecordedCall): Buffer[] => {
  const lines: Buffer[] = []
  const placed = (text: string | null, name: string): Placed => {
    if (text === null || text.length <= rowLimit) return { text, payload: null }
    const payload = `${call.key}-${name}`
    lines.push(Buffer.concat(payloadLine(loggedValue(payload, call.key, Buffer.from(text)))))
    return { text: null, payload }
  }
  const { initParams, step } = call
  const asked = initParams.payload === null ? placed(initParams.text, 'init-params') : initParams
  const row = JSON.stringify(callRow(call, asked, placed(step.outputs, 'outputs')))
  const length = Buffer.byteLength(row)
  const encoding = length === row.length ? 'latin1' : 'utf8' // ASCII is copied as it is
  lines.push(framed(length, (line, at) => void line.write(row, at, encoding)))
  return lines
}

const formerHead = '{"key":'

/** Returns a line as versions before this one wrote it in the form of today. */
export const currentForm = (json: Buffer): Buffer[] =>
  json.toString('latin1', 0, formerHead.length) === formerHead
    ? callLines(JSON.parse(json.toString()) as RecordedCall).map(lineJson)
    : [json]
