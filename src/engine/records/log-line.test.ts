import { expect, it } from 'vitest'
import type { RecordedCall } from '../../model/gateway/recorded-call.ts'
import {
  callLines,
  checkedJson,
  contentBytes,
  currentForm,
  lineJson,
  loggedValue,
  payloadLine,
  payloadOf,
} from './log-line.ts'

const call: RecordedCall = {
  key: 'k',
  trajectoryId: '01234567',
  collectionId: 1,
  taskId: 2,
  name: 'acme/_chat',
  workflow: '{}',
  definition: 'd',
  author: 'ü',
  environmentId: null,
  status: 'completed',
  error: null,
  model: 'openai/m',
  initParams: { text: '{"a":"ü\\n"}', payload: null },
  step: { name: 'completion', inputs: '{}', outputs: '{}', error: null },
  files: [],
  names: ['chatcmpl-1'],
  costUsd: 0.25,
  usd: 0.25,
  tokens: 10,
  startedMs: 1,
  endedMs: 2,
}

const read = (line: Buffer) => checkedJson(line.subarray(0, -1))

it('a line is a checksum and JSON without a line feed, which a changed bit betrays', () => {
  const [line = Buffer.alloc(0)] = callLines(call)
  expect(line.indexOf(10)).toBe(line.length - 1)
  expect(read(line)).toEqual(lineJson(line))
  expect(JSON.parse(lineJson(line).toString())).toMatchObject({ id: 'k', author: 'ü', init_params: '{"a":"ü\\n"}' })
  line[20] = (line[20] ?? 0) ^ 1
  expect(read(line)).toBeUndefined()
})

it.each(['{\n  "a": "ü",\n  "b": [\n1]\n}\n', '{"body":"\\n","x":1}', '{}'])(
  'a large value stays what it is: %j',
  (text) => {
    const value = loggedValue('k-init-params', 'k', Buffer.from(text))
    const line = Buffer.concat(payloadLine(value))
    expect(contentBytes(value)).toEqual(lineJson(line))
    expect(payloadOf(value)).toBe(value)
    expect(line.indexOf(10)).toBe(line.length - 1)
    const kept = payloadOf(read(line) ?? Buffer.alloc(0))
    expect(kept).toEqual(value)
    expect(JSON.parse(kept?.body.toString() ?? '')).toEqual(JSON.parse(text))
    expect(JSON.parse(lineJson(line).toString())).toMatchObject({ body: JSON.parse(text) })
  },
)

it('large values come before the call that refers to them, and files at its beginning', () => {
  const large = JSON.stringify('x'.repeat(70_000))
  const file = { path: 'p', object: 'o', name: 'n', contentType: 'c', size: 1, sha256: 's' }
  const lines = callLines({ ...call, initParams: { text: large, payload: null }, files: [file] }).map(lineJson)
  expect(lines.map((line) => payloadOf(line)?.payload)).toEqual(['k-init-params', undefined])
  expect(lines[1]?.toString()).toMatch(
    /^\{"files":\[\{"path":"p",.*"init_params":null,"init_params_payload":"k-init-params"/,
  )
})

it('a line of a version before this one becomes one of today', () => {
  const [json] = currentForm(Buffer.from(JSON.stringify(call)))
  expect(json).toEqual(lineJson(callLines(call)[0] ?? Buffer.alloc(0)))
  expect(currentForm(json ?? Buffer.alloc(0))).toEqual([json])
})
