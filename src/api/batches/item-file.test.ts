import { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { type ItemFormat, itemFormatOf, readItems } from './item-file.ts'

const read = async (format: ItemFormat, content: string | Buffer, chunk = 5): Promise<unknown[]> => {
  const bytes = Buffer.from(content)
  const pieces = Array.from({ length: Math.ceil(bytes.length / chunk) }, (_, at) =>
    bytes.subarray(at * chunk, (at + 1) * chunk),
  )
  const items: unknown[] = []
  for await (const { item } of readItems(Readable.from(pieces), { format, maxBytes: 100 })) items.push(item)
  return items
}

it.each([
  ['a.CSV', 'text/plain', 'csv'],
  ['a.jsonl', '', 'jsonl'],
  ['a.ndjson', '', 'jsonl'],
  ['a', 'text/csv; charset=utf-8', 'csv'],
  ['a.txt', 'application/x-ndjson', 'jsonl'],
  ['a.json', 'application/json', undefined],
  ['a.pdf', 'application/pdf', undefined],
])('%s of type %j is %s', (name, content_type, format) => {
  expect(itemFormatOf({ name, content_type })).toBe(format)
})

it('reads CSV: text stays text, a column :json is JSON, wherever the pieces are cut', async () => {
  const csv = '\ufefftext,n,n2:json,list:json\r\n"a,\n""b""",5,5,"[1,""ä""]"\r\n\r\n,,,\r\n'
  for (const chunk of [1, 3, 7, 1000]) {
    expect(await read('csv', csv, chunk)).toEqual([
      { text: 'a,\n"b"', n: '5', n2: 5, list: [1, 'ä'] },
      { text: '', n: '' },
    ])
  }
})

it('takes no key of an object for anything else', async () => {
  const [item] = await read('csv', '__proto__,constructor\n1,2\n')
  expect(Object.entries(item as object)).toEqual([
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

it('reads JSON lines, the last one without a line break too', async () => {
  expect(await read('jsonl', '\ufeff{"a":1}\r\n\n  {"a":"ü"}', 1)).toEqual([{ a: 1 }, { a: 'ü' }])
  expect(await read('jsonl', '')).toEqual([])
})

it.each([
  ['jsonl', '{"a":1}\n\n[1]\n', 'Line 3 is not a JSON object'],
  ['jsonl', '{"a":1}\n{"a":', 'Line 2 is not a JSON object'],
  ['jsonl', `{"a":1}\n{"a":"${'x'.repeat(200)}"}`, 'Line 2 is longer than the limit of an item (100 bytes)'],
  ['jsonl', Buffer.from([0x7b, 0xff, 0x7d]), 'The file is not UTF-8 text'],
  ['csv', 'a,b\n1,2\n3\n', 'Line 3 has 1 cells, but the header line has 2'],
  ['csv', 'a,b\n1,2,3\n', 'Line 2 has 3 cells, but the header line has 2'],
  ['csv', 'a,a\n1,2\n', "Two columns have the name 'a'"],
  ['csv', 'a,\n1,2\n', 'Column 2 has no name'],
  ['csv', 'a:json\n1\n{\n', "Line 3: the cell of column 'a:json' is not JSON"],
  ['csv', 'a\n1\n"x\n', 'The quote that opens on line 3 is never closed'],
  ['csv', 'a\n1\nx"y"\n', 'Line 3 is not CSV'],
  ['csv', `a\n1\n${'x'.repeat(200)}\n`, 'Line 3 is longer than the limit of an item (100 bytes)'],
  ['csv', Buffer.from([0x61, 0x0a, 0xff]), 'The file is not UTF-8 text'],
] as const)('%s %j is refused with its line', async (format, content, message) => {
  for (const chunk of [5, 1000]) {
    await expect(read(format, content as string, chunk)).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringContaining(message),
      issues: [{ loc: ['body', 'file_path'] }],
    })
  }
})

it('gives others their turn while it reads a long file', async () => {
  let turns = 0
  const turn = (): void => {
    turns++
    timer = setImmediate(turn)
  }
  let timer = setImmediate(turn)
  for (const [format, text] of [
    ['csv', `id\n${'1\n'.repeat(100_000)}`],
    ['jsonl', '{"id":1}\n'.repeat(100_000)],
  ] as const) {
    turns = 0
    await read(format, text, 64 * 1024)
    expect(turns).toBeGreaterThan(5)
  }
  clearImmediate(timer)
})
