import { describe, expect, it } from 'vitest'
import { decoderOf, encodeParameter, makeRowQueue, typeName } from './send-statement.ts'

describe('values of PostgreSQL as JSON', () => {
  it.each<[number, string, unknown]>([
    [16, 't', true],
    [20, '9007199254740991', 9007199254740991],
    [20, '9007199254740993', '9007199254740993'],
    [1700, '19.90', 19.9],
    [1700, '-0.000000000000001234', -0.000000000000001234],
    [1700, '1234567890.123456789', '1234567890.123456789'],
    [1700, 'NaN', 'NaN'],
    [701, 'Infinity', 'Infinity'],
    [701, '0.1', 0.1],
    [1184, '2026-03-29 02:30:00.123456+02', '2026-03-29T00:30:00.123456Z'],
    [1184, '2026-01-01 00:00:00+05:30', '2025-12-31T18:30:00Z'],
    [1184, 'infinity', 'infinity'],
    [1184, '0044-03-15 12:00:00+00:19:32 BC', '0044-03-15 12:00:00+00:19:32 BC'],
    [1114, '2026-01-01 00:00:00', '2026-01-01T00:00:00'],
    [1082, '2026-01-01', '2026-01-01'],
    [17, '\\x6869', 'aGk='],
    [3802, '{"a": [1, null]}', { a: [1, null] }],
    [1007, '{1,NULL,3}', [1, null, 3]],
    [1007, '[0:1]={1,2}', [1, 2]],
    [1009, '{a,"b,\\"c\\\\","NULL",NULL,"",{x}}', ['a', 'b,"c\\', 'NULL', null, '', ['x']]],
    [
      1007,
      '{{1,2},{3,4}}',
      [
        [1, 2],
        [3, 4],
      ],
    ],
    [3807, '{"{\\"a\\": 1}"}', [{ a: 1 }]],
    [1009, '{}', []],
    [1009, '{"never closed', ['never closed']],
    [600, '(1,2)', '(1,2)'],
  ])('type %i: %s', (oid, text, value) => {
    expect(decoderOf(oid)(text)).toEqual(value)
  })

  it('names types', () => {
    expect([23, 1016, 99_999].map(typeName)).toEqual(['int4', 'int8[]', 'oid 99999'])
  })

  it('refuses what is nested without end', () => {
    expect(() => decoderOf(1007)('{'.repeat(100_000))).toThrow(/dimensions/)
    expect(() => decoderOf(114)('['.repeat(100_000))).toThrow(/nested/)
  })
})

describe('parameters', () => {
  it.each<[unknown, number, string | null]>([
    [null, 23, null],
    [1, 23, '1'],
    [true, 16, 'true'],
    ['it\'s "x"', 25, 'it\'s "x"'],
    [{ a: 1 }, 3802, '{"a":1}'],
    ['text', 3802, '"text"'],
    [[1, null, 'a"\\,{}'], 1009, '{"1",NULL,"a\\"\\\\,{}"}'],
    [[[1], [2]], 1007, '{{"1"},{"2"}}'],
    [[{ a: '"' }], 3807, '{"{\\"a\\":\\"\\\\\\"\\"}"}'],
    [[1, 2], 114, '[1,2]'],
    [[1, 2], 25, '[1,2]'],
    [[1, 2], 16_400, '{"1","2"}'],
    [{ a: 1 }, 25, '{"a":1}'],
  ])('%j for type %i', (value, oid, text) => {
    expect(encodeParameter(value, oid)).toBe(text)
  })
})

const queueWithLog = () => {
  const log: string[] = []
  return { log, queue: makeRowQueue({ pause: () => log.push('pause'), resume: () => log.push('resume') }) }
}

it('a connection waits while its reader is behind, and goes on afterwards, also after the last row', async () => {
  const { log, queue } = queueWithLog()
  const batches: unknown[][][] = []
  for (let row = 0; row < 3; row += 1) queue.add([row], 200_000)
  expect(log).toEqual(['pause', 'pause'])
  queue.end()
  expect(log.at(-1)).toBe('resume')
  for await (const batch of queue.rows) batches.push(batch)
  expect(batches).toEqual([[[0], [1], [2]]])
})

it('a reader waits for rows, and gets the error after them', async () => {
  const { queue } = queueWithLog()
  const rows = queue.rows[Symbol.asyncIterator]()
  const first = rows.next()
  queue.add(['a'], 1)
  expect(await first).toEqual({ done: false, value: [['a']] })
  const second = rows.next()
  queue.fail(new Error('cut off'))
  queue.fail(new Error('too late'))
  await expect(second).rejects.toThrow('cut off')
})
