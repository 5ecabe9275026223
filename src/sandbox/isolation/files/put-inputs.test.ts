import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { crc32, deflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { zipArchive } from '../../../lib/files/archives.ts'
import type { FileSource } from '../../../model/file-source.ts'
import { makeRunFolder, type RunFolder } from '../run-folder.ts'
import { openZip, putInputs, type UnzipLimits } from './put-inputs.ts'

let parent: string
let folder: RunFolder
beforeEach(async () => {
  parent = mkdtempSync(join(tmpdir(), 'inputs-'))
  folder = await makeRunFolder({ parent, id: 'one' })
})
afterEach(async () => {
  await folder.remove()
  rmSync(parent, { recursive: true })
})

const roomy = { bytes: 1024 ** 2, files: 100 }

const source = (name: string, body: string | Buffer, contentType = 'application/octet-stream'): FileSource => ({
  name,
  content_type: contentType,
  size: Buffer.byteLength(body),
  async *open() {
    yield Buffer.from(body as string)
  },
})

const archive = async (name: string, files: Record<string, string>): Promise<FileSource> => {
  const entries = Object.entries(files).map(([path, text]) => ({
    name: path,
    modified: new Date(0),
    open: async () => Readable.from([Buffer.from(text)]),
  }))
  return source(name, await buffer(await zipArchive(entries)), 'application/zip')
}

const put = (files: FileSource[], limits = roomy) => putInputs(folder, { id: '1f2e3d4c', files, limits })

const filesBelow = (name: string): string[] =>
  readdirSync(join(folder.folders.app, name), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(folder.folders.app, name).length + 1))
    .sort()
const textOf = (path: string) => readFileSync(join(folder.folders.app, path), 'utf8')

test('each input stands under its number and under its own name', async () => {
  const { inputs, warnings } = await put([
    source('case.json', '{}'),
    source('other/case.json', '{"b":1}'),
    source('../../../etc/passwd', 'x'),
    source('Makefile', 'all:'),
  ])
  expect(filesBelow('assets')).toEqual(['1f2e3d4c.00.json', '1f2e3d4c.01.json', '1f2e3d4c.02.bin', '1f2e3d4c.03.bin'])
  expect(filesBelow('uploads')).toEqual(['Makefile', 'case-1.json', 'case.json', 'passwd'])
  expect([textOf('assets/1f2e3d4c.01.json'), textOf('uploads/case-1.json')]).toEqual(['{"b":1}', '{"b":1}'])
  expect(inputs[1]).toEqual({ asset: '/app/assets/1f2e3d4c.01.json', upload: '/app/uploads/case-1.json' })
  expect(warnings).toEqual([])
})

test('archives are unpacked beside themselves, and a document that is one is not', async () => {
  const document = await archive('paper.docx', { 'word/document.xml': 'x' })
  const { inputs } = await put([await archive('data.ZIP', { 'a.csv': '1', 'deep/b.csv': '2' }), document])
  expect(filesBelow('assets')).toEqual(['1f2e3d4c.00.ZIP', '1f2e3d4c.01.docx', 'a.csv', 'deep/b.csv'])
  expect(filesBelow('uploads')).toEqual(['data.ZIP', 'paper.docx'])
  expect(inputs[0]?.unpacked).toEqual({ files: 2, folder: '/app/assets' })
  expect(inputs[1]?.unpacked).toBeUndefined()
  expect(textOf('assets/deep/b.csv')).toBe('2')
})

test('a second archive does not write over what the first one brought', async () => {
  const one = await archive('one.zip', { 'data.csv': '1', a: 'file' })
  const two = await archive('two.zip', { 'data.csv': '2', 'more.csv': '3' })
  const three = await archive('two.zip', { 'a/b': '4', two: 'x' })
  const { inputs, warnings } = await put([one, two, three])
  expect(filesBelow('assets').slice(3)).toEqual(
    ['a', 'data.csv', 'two-2/a/b', 'two-2/two', 'two/data.csv', 'two/more.csv'].sort(),
  )
  expect(textOf('assets/data.csv')).toBe('1')
  expect(inputs.map((input) => input.unpacked?.folder)).toEqual(['/app/assets', '/app/assets/two', '/app/assets/two-2'])
  expect(warnings).toHaveLength(2)
  expect(warnings[0]).toContain('two.zip has files of the same names')
})

test('a member cannot take the place of an input', async () => {
  await put([await archive('a.zip', { '1f2e3d4c.01.txt': 'forged' }), source('b.txt', 'real')])
  expect(textOf('assets/1f2e3d4c.01.txt')).toBe('real')
  expect(textOf('assets/a/1f2e3d4c.01.txt')).toBe('forged')
})

test('too many bytes, counted as they come, with those that are unpacked', async () => {
  const liar: FileSource = { ...source('a', 'x'.repeat(200)), size: 1 }
  await expect(put([source('b', 'x'), liar], { bytes: 100, files: 9 })).rejects.toMatchObject({
    code: 'invalid',
    hint: expect.stringContaining('JETTY_RUNBOOK_INPUT_BYTES'),
  })
  const bomb = await archive('bomb.zip', { zeros: '0'.repeat(90_000) })
  await expect(put([bomb], { bytes: 80_000, files: 9 })).rejects.toThrow(
    'with its member "zeros" it comes to more than',
  )
  await expect(put([bomb], { bytes: 90_010, files: 9 })).rejects.toThrow('comes to more than')
})

test('too many files', async () => {
  const many = Array.from({ length: 4 }, (_, at) => source(`${at}`, ''))
  await expect(put(many, { bytes: 100, files: 3 })).rejects.toMatchObject({ code: 'invalid' })
  const packed = await archive('a.zip', { a: '', b: '', c: '' })
  await expect(put([packed], { bytes: 9999, files: 3 })).rejects.toThrow('more than 2 members')
})

test('a broken archive is refused by its name', async () => {
  await expect(put([source('data.zip', 'no archive')])).rejects.toMatchObject({
    code: 'invalid',
    message: expect.stringContaining('"data.zip" cannot be unpacked'),
  })
})

test('whoever asks can end it', async () => {
  const files = [source('a', 'x')]
  const signal = AbortSignal.abort(new Error('enough'))
  await expect(putInputs(folder, { id: 'x', files, limits: roomy, signal })).rejects.toThrow('enough')
})

interface Member {
  name: string | Buffer
  text?: string | Buffer
  /** Of unix, with the kind of file. */
  mode?: number
  flags?: number
  method?: number
  /** What the directory says in the place of the truth. */
  size?: number
  crc?: number
  /** Of the directory's entry. */
  extra?: Buffer
}

const fields = (...list: [width: 2 | 4, value: number][]): Buffer =>
  Buffer.concat(
    list.map(([width, value]) => {
      const bytes = Buffer.alloc(width)
      bytes.writeUIntLE(value, 0, width)
      return bytes
    }),
  )

/** An archive that may say anything, which no tool would pack. */
const zipOf = (members: Member[]): Buffer => {
  const parts: Buffer[] = []
  const directory: Buffer[] = []
  let offset = 0
  for (const { name, text = '', mode = 0, flags = 0x800, method = 8, size, crc, extra = Buffer.alloc(0) } of members) {
    const nameBytes = Buffer.from(name as string)
    const plain = Buffer.from(text as string)
    const packed = method === 8 ? deflateRawSync(plain) : plain
    const common = fields(
      ...([
        [2, flags],
        [2, method],
        [4, 0],
        [4, crc ?? crc32(plain)],
        [4, packed.length],
        [4, size ?? plain.length],
        [2, nameBytes.length],
      ] as [2 | 4, number][]),
    )
    const local = Buffer.concat([fields([4, 0x04034b50], [2, 20]), common, fields([2, 0]), nameBytes, packed])
    const attributes = (mode << 16) >>> 0
    directory.push(
      fields([4, 0x02014b50], [2, 0x0314], [2, 20]),
      common,
      fields([2, extra.length], [2, 0], [2, 0], [2, 0], [4, attributes], [4, offset]),
      nameBytes,
      extra,
    )
    parts.push(local)
    offset += local.length
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0)
  const count = members.length
  return Buffer.concat([
    ...parts,
    ...directory,
    fields([4, 0x06054b50], [2, 0], [2, 0], [2, count], [2, count], [4, size], [4, offset], [2, 0]),
  ])
}

let unzipFolder: string
beforeAll(() => {
  unzipFolder = mkdtempSync(join(tmpdir(), 'unzip-'))
})
afterAll(() => rmSync(unzipFolder, { recursive: true }))

const roomyArchive: UnzipLimits = { bytes: 1024 ** 2, files: 100 }
let count = 0

const unpack = async (archive: Buffer, limits = roomyArchive): Promise<Record<string, string>> => {
  const path = join(unzipFolder, `${count++}.zip`)
  writeFileSync(path, archive)
  const zip = await openZip(path, 'in.zip', limits)
  const files: Record<string, string> = {}
  try {
    for await (const member of zip.members()) {
      const chunks: Uint8Array[] = []
      for await (const chunk of member.open()) chunks.push(chunk)
      files[member.path] = `${member.mode.toString(8)} ${Buffer.concat(chunks)}`
    }
  } finally {
    zip.close()
  }
  expect(new Set(Object.keys(files))).toEqual(zip.paths)
  return files
}

test('members come under their paths, with their bytes, and programs can be run', async () => {
  const archive = zipOf([
    { name: 'readme.md', text: 'hello' },
    { name: 'src/', mode: 0o040755 },
    { name: 'src/run.sh', text: 'echo', mode: 0o100755 },
    { name: 'src/big.txt', text: 'x'.repeat(300_000), method: 0 },
    { name: './a//b.txt', text: 'b', mode: 0o106777 },
    { name: 'empty' },
    { name: 'windows\\style\\path.txt', text: 'w', flags: 0 },
    { name: 'Zürich/東京.txt', text: 'z' },
    { name: 'Icon\r', text: 'i' },
  ])
  expect(await unpack(archive)).toEqual({
    'readme.md': '644 hello',
    'src/run.sh': '755 echo',
    'src/big.txt': `644 ${'x'.repeat(300_000)}`,
    'a/b.txt': '755 b',
    empty: '644 ',
    'windows/style/path.txt': '644 w',
    'Zürich/東京.txt': '644 z',
    Icon: '644 i',
  })
})

test('folders count, also those that are only in the paths of files', async () => {
  const deep = (at: number) => ({ name: `${Array.from({ length: 20 }, (_, level) => `${at}-${level}`).join('/')}/a` })
  expect(Object.keys(await unpack(zipOf([deep(0), deep(1)])))).toHaveLength(2)
  const tooDeep = unpack(zipOf([deep(0), deep(1), deep(2), deep(3), deep(4)]))
  await expect(tooDeep).rejects.toMatchObject({
    message: expect.stringContaining('more than 100 files and folders'),
    hint: expect.stringContaining('JETTY_SANDBOX_FILES'),
  })
})

describe('an archive is refused by the name of the member', () => {
  test.each<[string, Member[], RegExp]>([
    ['leads above', [{ name: '../../etc/passwd' }], /\.\.\/\.\.\/etc\/passwd/],
    ['leads above in the middle', [{ name: 'a/../../b' }], /a\/\.\.\/\.\.\/b/],
    ['leads above with backslashes', [{ name: '..\\..\\b' }], /\.\.\/\.\.\/b/],
    ['is absolute', [{ name: '/etc/passwd' }], /\/etc\/passwd/],
    ['has a drive', [{ name: 'C:/windows/system32' }], /C:\/windows/],
    ['is a link', [{ name: 'link', text: '/etc', mode: 0o120777 }], /"link" is a symbolic link/],
    [
      'is a link to a folder, and a file in it',
      [{ name: 'd', text: '/etc', mode: 0o120777 }, { name: 'd/x' }],
      /"d" is a sym/,
    ],
    ['is a device', [{ name: 'dev', mode: 0o020666 }], /"dev" is neither a file nor a folder/],
    ['is a pipe', [{ name: 'pipe', mode: 0o010666 }], /"pipe" is neither/],
    ['is encrypted', [{ name: 'locked', flags: 0x801 }], /"locked" is encrypted/],
    ['is compressed otherwise', [{ name: 'lzma', method: 14 }], /"lzma" is compressed in a way .* 14/],
    ['has a NUL', [{ name: 'a\0b' }], /has a NUL/],
    ['is there twice', [{ name: 'same' }, { name: 'other' }, { name: './same' }], /"same" twice/],
    ['is a file and a folder', [{ name: 'a/b' }, { name: 'a' }], /"a" stands where it has a folder/],
    ['is a folder and a file', [{ name: 'a' }, { name: 'a/b/c' }], /"a\/b\/c" stands where it has a folder/],
    ['is too deep', [{ name: `${'d/'.repeat(40)}f` }], /too long/],
    ['has too long a path', [{ name: `${'é'.repeat(120)}/`.repeat(5).concat('f') }], /too long/],
    ['has another checksum', [{ name: 'crc', text: 'text', crc: 1 }], /"crc" is broken \(wrong checksum\)/],
    ['is larger than it says', [{ name: 'bomb', text: 'x'.repeat(9999), size: 9 }], /"bomb" is broken/],
    ['is smaller than it says', [{ name: 'less', text: 'x', size: 99 }], /"less" is broken/],
    ['is not deflated', [{ name: 'noise', text: 'no', method: 0 }], /never/],
  ])('%s', async (what, members, message) => {
    if (what === 'is not deflated') {
      const archive = zipOf(members)
      for (const at of [8, archive.indexOf('PK\x01\x02') + 10]) archive.writeUInt16LE(8, at)
      return expect(unpack(archive)).rejects.toMatchObject({
        code: 'invalid',
        message: expect.stringContaining('"noise"'),
      })
    }
    await expect(unpack(zipOf(members))).rejects.toMatchObject({
      code: 'invalid',
      message: expect.stringMatching(message),
    })
  })
})

test('a bomb is refused by what it says, before a byte of it is unpacked', async () => {
  const archive = zipOf([{ name: 'small' }, { name: 'bomb', text: Buffer.alloc(2 * 1024 ** 2) }])
  expect(archive.length).toBeLessThan(4000)
  await expect(unpack(archive)).rejects.toMatchObject({
    code: 'invalid',
    message: '"in.zip" cannot be unpacked: with its member "bomb" it comes to more than 1 MiB',
    hint: expect.stringContaining('JETTY_RUNBOOK_INPUT_BYTES'),
  })
})

test('members that share their bytes are counted each', async () => {
  const one = zipOf([{ name: 'a', text: Buffer.alloc(600 * 1024) }])
  const start = one.indexOf('PK\x01\x02')
  const end = one.indexOf('PK\x05\x06')
  const again = Buffer.from(one.subarray(start, end))
  again.write('b', 46)
  const tail = Buffer.from(one.subarray(end))
  for (const at of [8, 10]) tail.writeUInt16LE(2, at)
  tail.writeUInt32LE(2 * (end - start), 12)
  await expect(unpack(Buffer.concat([one.subarray(0, end), again, tail]))).rejects.toThrow('more than 1 MiB')
})

/** As archives beyond 4 GiB or 65,535 members say it: sizes of 64 bits, and a second end of the directory. */
const large = (archive: Buffer, says: { members?: number } = {}): Buffer => {
  const end = archive.length - 22
  const tail = Buffer.from(archive.subarray(end))
  const [count, size, offset] = [tail.readUInt16LE(10), tail.readUInt32LE(12), tail.readUInt32LE(16)]
  const members = says.members ?? count
  const record = fields([4, 0x06064b50], [4, 44], [4, 0], [2, 45], [2, 45], [4, 0], [4, 0])
  const counts = fields([4, members], [4, 0], [4, members], [4, 0], [4, size], [4, 0], [4, offset], [4, 0])
  const locator = fields([4, 0x07064b50], [4, 0], [4, end], [4, 0], [4, 1])
  tail.fill(0xff, 8, 20)
  return Buffer.concat([archive.subarray(0, end), record, counts, locator, tail])
}
const size64 = (bytes: bigint): Buffer => {
  const field = fields([2, 1], [2, 8], [4, 0], [4, 0])
  field.writeBigUInt64LE(bytes, 4)
  return field
}

test('an archive in the format for large ones is one like any other', async () => {
  const members = [{ name: 'a', text: 'text', size: 0xffffffff, extra: size64(4n) }, { name: 'b' }]
  expect(await unpack(large(zipOf(members)))).toEqual({ a: '644 text', b: '644 ' })
})

test.each([
  ['a petabyte', 2n ** 50n, 'more than 1 MiB'],
  ['more than a number can say', 2n ** 64n - 1n, 'cannot be unpacked'],
])('a member that says it is %s large is refused', async (_what, bytes, message) => {
  const archive = large(zipOf([{ name: 'a', text: 'text', size: 0xffffffff, extra: size64(bytes) }]))
  await expect(unpack(archive)).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining(message) })
})

test('an archive that says it has a million members is read no further than there may be', async () => {
  const names = Array.from({ length: 2_000 }, (_, at) => ({ name: `${at}`, method: 0 }))
  await expect(unpack(large(zipOf(names), { members: 1_000_000 }))).rejects.toThrow('more than 100 members')
  const few = large(zipOf(names.slice(0, 3)), { members: 1_000_000 })
  await expect(unpack(few)).rejects.toMatchObject({ code: 'invalid' })
})

test('a second name of a member, which readers prefer, leads nowhere else', async () => {
  const second = (name: string): Buffer => {
    const text = Buffer.from(name)
    return Buffer.concat([
      fields([2, 0x7075], [2, 5 + text.length]),
      Buffer.from([1]),
      fields([4, crc32('safe')]),
      text,
    ])
  }
  await expect(unpack(zipOf([{ name: 'safe', flags: 0, extra: second('../../etc/cron.d/x') }]))).rejects.toMatchObject({
    code: 'invalid',
  })
  expect(await unpack(zipOf([{ name: 'safe', flags: 0, extra: second('東京') }]))).toEqual({ 東京: '644 ' })
})

test('names of ten thousand letters are cut to what a folder can have, or refused where two become one', async () => {
  const long = (middle: string) => ({ name: `${'n'.repeat(5_000)}${middle}${'n'.repeat(5_000)}` })
  const [path = ''] = Object.keys(await unpack(zipOf([long('-')])))
  expect(Buffer.byteLength(path)).toBeLessThanOrEqual(255)
  await expect(unpack(zipOf([long('1'), long('2')]))).rejects.toThrow('twice')
})

test('more members than there may be', async () => {
  const members = Array.from({ length: 101 }, (_, at) => ({ name: `${at}/` }))
  await expect(unpack(zipOf(members))).rejects.toThrow('more than 100 members')
})

test.each([
  ['text', Buffer.from('no archive at all')],
  ['nothing', Buffer.alloc(0)],
  ['one that is cut off', zipOf([{ name: 'a', text: 'text' }]).subarray(0, 40)],
])('%s is no archive', async (_, bytes) => {
  await expect(unpack(bytes)).rejects.toMatchObject({ code: 'invalid', message: expect.stringContaining('"in.zip"') })
})

test('a directory that is cut short is refused', async () => {
  const archive = zipOf([{ name: 'a', text: 'text' }])
  archive.writeUInt16LE(7, archive.length - 12)
  await expect(unpack(archive)).rejects.toMatchObject({ code: 'invalid' })
})

test('whatever the archive is: it is refused as invalid, or everything stays below its folder', async () => {
  const segment = fc.constantFrom(
    '..',
    '.',
    '',
    'a',
    'b.txt',
    '\\',
    'C:',
    '\0',
    'é',
    '\ud800',
    ' ',
    '\u202e',
    '/',
    'x'.repeat(300),
  )
  const member = fc.record({
    name: fc.array(segment, { maxLength: 6 }).map((parts) => parts.join('/')),
    text: fc.string({ maxLength: 50 }),
    mode: fc.constantFrom(0, 0o100644, 0o120777, 0o040755, 0o020600, 0o104755),
    flags: fc.constantFrom(0, 0x800, 0x801),
    method: fc.constantFrom(0, 8, 9),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.array(member, { maxLength: 4 }),
      fc.infiniteStream(fc.nat(255)),
      fc.boolean(),
      async (members, noise, isBent) => {
        const archive = zipOf(members)
        if (isBent)
          for (let bent = 0; bent < 3; bent += 1)
            archive[(noise.next().value * 7919) % archive.length] = noise.next().value
        const files = await unpack(archive).catch((error: { code: string }) => {
          expect(error.code).toBe('invalid')
          return {}
        })
        for (const path of Object.keys(files)) {
          expect(posix.normalize(`/in/${path}`)).toBe(`/in/${path}`)
          expect(path).not.toMatch(/[\p{Cc}\p{Cs}]/u)
        }
      },
    ),
    { numRuns: 300 },
  )
})

test('nothing stays open', async () => {
  const archivesOpen = () =>
    readdirSync('/proc/self/fd').filter((fd) => linkOf(`/proc/self/fd/${fd}`).startsWith(unzipFolder)).length
  await unpack(zipOf([{ name: 'a', text: 'text' }]))
  await unpack(zipOf([{ name: '../a' }])).catch(() => {})
  await unpack(zipOf([{ name: 'a', text: 'x', crc: 1 }])).catch(() => {})
  await unpack(zipOf([{ name: 'a', text: 'x', size: 99 }])).catch(() => {})
  await expect.poll(archivesOpen).toBe(0)
})

const linkOf = (path: string): string => {
  try {
    return readlinkSync(path)
  } catch {
    return '' // closed meanwhile
  }
}
