import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { ZipFile } from 'yazl'
import { longPageHeaderParquet } from '../../../test/preview/long-page-header.ts'
import { flatParquet, nestedParquet } from '../../../test/preview/parquet-files.ts'
import { type PreviewSource, previewLimits } from './preview.ts'
import { previewFile } from './preview-file.ts'

const sourceOf = (name: string, content: string | Uint8Array, size?: number): PreviewSource & { read: unknown } => {
  const bytes = Buffer.from(content)
  return { name, size: size ?? bytes.length, read: async (start, end) => bytes.subarray(start, end) }
}

const show = (name: string, content: string | Uint8Array, size?: number) =>
  previewFile(sourceOf(name, content, size), previewLimits)

const tarOf = (members: Record<string, string>): Buffer => {
  const parts = Object.entries(members).flatMap(([name, text]) => {
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write(`${Buffer.byteLength(text).toString(8).padStart(11, '0')}\0`, 124)
    header.write('        ', 148)
    header.write('0', 156)
    header.write('ustar', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, Buffer.from(text), Buffer.alloc((512 - (Buffer.byteLength(text) % 512)) % 512)]
  })
  return Buffer.concat([...parts, Buffer.alloc(1024)])
}

const zipOf = async (members: Record<string, string | Buffer>): Promise<Buffer> => {
  const zip = new ZipFile()
  for (const [name, content] of Object.entries(members)) zip.addBuffer(Buffer.from(content), name)
  zip.end()
  const chunks: Buffer[] = []
  for await (const chunk of zip.outputStream as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks)
}

describe('a file that can be shown', () => {
  it.each([
    ['a.csv', 'id,name\n1,Ada\n2,"Bob, B"\n3,\n', 'csv'],
    ['a.csv', '\ufeffid;name\r\n1;Ada\r\n2;Bob, B\r\n3;\r\n', 'csv'],
    ['a.tsv', 'id\tname\n1\tAda\n2\tBob, B\n3\t\n', 'tsv'],
    ['a.jsonl', '{"id":1,"name":"Ada"}\n\n{"id":2,"name":"Bob, B"}\n{"id":3}\n', 'jsonl'],
    ['a.json', '[{"id":1,"name":"Ada"},{"id":2,"name":"Bob, B"},{"id":3}]', 'json'],
    ['a.csv.gz', gzipSync('id,name\n1,Ada\n2,"Bob, B"\n3,\n'), 'csv'],
  ])('%s has columns, types and rows', async (name, content, format) => {
    expect(await show(name, content)).toMatchObject({
      format,
      columns: [
        { name: 'id', type: 'integer', nulls: 0, distinct: 3, min: 1, max: 3 },
        { name: 'name', type: 'text', nulls: 1, distinct: 2, min: 'Ada', max: 'Bob, B' },
      ],
      rows: [
        [1, 'Ada'],
        [2, 'Bob, B'],
        [3, null],
      ],
      truncated: false,
    })
  })

  it('parquet, flat and nested', async () => {
    expect(await show('flat.parquet', flatParquet)).toMatchObject({
      columns: [{ type: 'integer' }, { type: 'text', nulls: 1 }, { type: 'datetime', min: '2024-05-31T00:00:00.000Z' }],
      row_count: 3,
      truncated: false,
    })
    const nested = await show('nested.parquet', nestedParquet)
    expect(nested.columns.map(({ name, type }) => [name, type])).toEqual([
      ['id', 'mixed'],
      ['tags', 'list'],
      ['place', 'object'],
    ])
    expect(nested.rows[0]).toEqual([0, ['a', 'b'], { lat: 1.5, name: 'Kew' }])
    expect(nested.rows[4]?.[0]).toBe(String(2n ** 60n + 4n))
  })

  it('parquet whose page headers have long statistics', async () => {
    const texts = ['a', 'b', 'c'].map((text) => text.repeat(4_000))
    expect(await show('long.parquet', longPageHeaderParquet(texts))).toMatchObject({
      rows: [[expect.stringMatching(/^aaa/)], [expect.stringMatching(/^b/)], [expect.stringMatching(/^c/)]],
      row_count: 3,
    })
  })

  it('the first member of an archive that can be shown', async () => {
    const members = { 'read.me': 'hi', 'data/a.csv': 'id\n1\n2\n', 'data/b.csv': 'x\n' }
    for (const [format, content] of [
      ['zip', await zipOf(members)],
      ['tar.gz', gzipSync(tarOf(members))],
    ] as const) {
      expect(await show(`a.${format}`, content)).toMatchObject({
        format,
        member: 'data/a.csv',
        members: [{ name: 'read.me', size: 2 }, { name: 'data/a.csv' }, { name: 'data/b.csv' }],
        rows: [[1], [2]],
      })
    }
    const zipped = await zipOf({ 'p.parquet': flatParquet })
    expect(await show('a.zip', zipped)).toMatchObject({ member: 'p.parquet', row_count: 3 })
  })

  it('large files are read only at their beginning, long cells are cut, and the last line may be torn', async () => {
    let end = 0
    const line = `${'x'.repeat(2_000)},1\n`
    const start = Buffer.from(`a,b\n${line.repeat(600)}`)
    const source = {
      name: 'big.csv',
      size: 2 ** 30,
      read: async (from: number, to: number) => {
        end = Math.max(end, to)
        return start.subarray(from, to)
      },
    }
    const preview = await previewFile(source, previewLimits)
    expect(end).toBe(1024 * 1024)
    expect(preview.rows).toHaveLength(100)
    expect(preview.truncated).toBe(true)
    expect(preview.rows[0]).toEqual([`${'x'.repeat(1_000)}…`, 1])
    const list = `[${'{"a": "}],"},'.repeat(90_000)}`
    expect(await show('big.json', list, 2 ** 30)).toMatchObject({ columns: [{ name: 'a' }], truncated: true })
    expect(await show('big.jsonl', `{"a":1}\n{"a":`, 2 ** 30)).toMatchObject({ rows: [[1]], truncated: true })
  })
})

const footer = (length: number, end = 'PAR1') => {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt32LE(length)
  bytes.write(end, 4)
  return Buffer.concat([Buffer.from('PAR1'), Buffer.alloc(40, 7), bytes])
}

describe('a hostile file', () => {
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`
  it.each([
    ['a.bin', 'hello', /no format that can be shown/],
    ['a.csv', '', /is empty/],
    ['a.csv', 'a\0b', /NUL bytes/],
    ['a.json', deep, /nested more than 100 deep/],
    ['a.jsonl', `{"a":1}\n${deep}\n`, /Line 2 of a.jsonl is nested/],
    ['a.jsonl', '{"a":1}\n{"a":\n', /Line 2 of a.jsonl is not valid JSON/],
    ['a.json', '{"a":', /not valid JSON/],
    ['a.parquet', 'PAR1', /too short/],
    ['a.parquet', footer(4_000_000_000), /would be longer than the file/],
    ['a.parquet', footer(30), /not a valid parquet file/],
    ['a.parquet', footer(30, 'PARE'), /does not end with PAR1/],
    ['a.parquet', 'hello', /does not begin as its name says/],
    ['a.zip', 'PK\x03\x04 and nothing', /not a valid zip/],
    ['a.tar.gz', Buffer.concat([Buffer.from([0x1f, 0x8b]), Buffer.from('no gzip at all')]), /not valid gzip/],
    ['bomb.csv.gz', gzipSync(Buffer.alloc(64 * 1024 * 1024, 'a')), /over 100 times as many/],
    ['a.tar.gz', gzipSync(tarOf({ '../../etc/passwd.csv': 'a\n1' })), /leads out of it/],
    ['a.tar.gz', gzipSync(tarOf({ '/etc/passwd.csv': 'a\n1' })), /leads out of it/],
  ])('%s %#', async (name, content, message) => {
    await expect(show(name, content)).rejects.toThrow(message)
  })

  it('an endless line, and an endless element', async () => {
    const endless = 'x'.repeat(1024 * 1024)
    await expect(show('a.csv', endless, 2 ** 30)).rejects.toThrow('first line of a.csv is longer')
    await expect(show('a.jsonl', endless, 2 ** 30)).rejects.toThrow('first line of a.jsonl is longer')
    await expect(show('a.json', `["${endless}`, 2 ** 30)).rejects.toThrow('first element of a.json is longer')
  })

  it('a zip bomb, and names that lead out', async () => {
    const bomb = await zipOf({ 'a.csv': Buffer.alloc(64 * 1024 * 1024, '1,2\n') })
    await expect(show('a.zip', bomb)).rejects.toThrow(/more than 200 times as many/)
    const climbing = Buffer.from(
      (await zipOf({ 'aa/aa/a.csv': 'x\n' })).toString('latin1').replaceAll('aa/aa/a', '../../a'),
      'latin1',
    )
    await expect(show('a.zip', climbing)).rejects.toThrow(/not a valid zip|leads out/)
  })
})
